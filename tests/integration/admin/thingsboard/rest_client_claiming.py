"""What customers do who claim devices with tb-rest-client; the tests run it with each version.

Arguments: URL, e-mail address and password of a tenant administrator. Prints what it got as one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from rest_client_program import PASSWORD, login, models, text_of
from tb_rest_client.rest import ApiException

SECRET = "YOUR_SECRET_KEY"
FAR_MS = 4_000_000_000_000


def answered(call: Any) -> list[Any]:
    """Return status and body of a call that is refused; the body is no error object."""
    try:
        call()
    except ApiException as error:
        body = error.body.decode() if isinstance(error.body, bytes) else error.body
        return [error.status, json.loads(body)]
    return ["not refused"]


def customer(url: str, admin: Any, title: str) -> Any:
    """Make a customer with a user; return the user's client."""
    made = admin.save_customer(models.Customer(title=title))
    email = f"{title}@example.com"
    user = admin.save_user(
        models.User(email=email, authority="CUSTOMER_USER", customer_id=made.id), send_activation_mail=False
    )
    token = text_of(admin.get_activation_link(user.id)).partition("activateToken=")[2]
    admin.activate_user(
        body=models.ActivateUserRequest(activate_token=token, password=PASSWORD), send_activation_mail=False
    )
    return login(url, email, PASSWORD)


def claim(person: Any, name: str, **body: Any) -> Any:
    """Claim a device as the client's version does it."""
    sent = models.ClaimRequest(**body) if body else None
    if hasattr(person, "claim_device_by_name"):
        return person.claim_device_by_name(name, sent) if sent else person.claim_device_by_name(name)
    given = {"body": sent} if sent else {}
    return person.device_controller.claim_device_using_post1(device_name=name, **given)


def main(url: str, email: str, password: str) -> None:
    admin = login(url, email, password)
    ada, bob = customer(url, admin, "ada"), customer(url, admin, "bob")
    profile = admin.get_default_device_profile_info().id
    for name in ("d 1/x", "bare"):
        made = admin.save_device(
            models.Device(name=name, device_profile_id=profile), access_token=f"token-{name[0]}"
        )
        data = {"claimingData": {"secretKey": SECRET, "expirationTime": FAR_MS}}
        if name != "bare":
            admin.save_device_attributes(made.id, "SERVER_SCOPE", data)

    def owner(name: str) -> str:
        holder: str = admin.get_tenant_device(name).customer_id.id
        return {ada.get_user().customer_id.id: "ada", bob.get_user().customer_id.id: "bob"}.get(holder, "nobody")

    did = {
        "unknown": answered(lambda: claim(ada, "d2", secret_key=SECRET))[0],
        "wrong secret": answered(lambda: claim(ada, "d 1/x", secret_key="x")),
        "no body": answered(lambda: claim(ada, "d 1/x")),
        "not open": answered(lambda: claim(ada, "bare", secret_key=SECRET)),
        "administrator": answered(lambda: claim(admin, "d 1/x", secret_key=SECRET))[0],
    }
    claim(ada, "d 1/x", secret_key=SECRET)
    did["claimed"] = owner("d 1/x")
    did["claimed before"] = answered(lambda: claim(bob, "d 1/x", secret_key=SECRET))
    did["taken by another"] = answered(lambda: bob.re_claim_device("d 1/x"))[0]
    did["still"] = owner("d 1/x")
    ada.re_claim_device("d 1/x")
    did["given back"] = owner("d 1/x")
    did["once"] = answered(lambda: claim(bob, "d 1/x", secret_key=SECRET))
    admin.claim_device("token-b", body={"secretKey": "its own"})
    claim(bob, "bare", secret_key="its own")
    did["opened by the device"] = owner("bare")
    admin.re_claim_device("bare")
    did["taken back"] = owner("bare")
    admin.claim_device("token-b", body={})
    claim(ada, "bare")
    did["without a secret"] = owner("bare")
    print(json.dumps(did))


if __name__ == "__main__":
    main(*sys.argv[1:])
