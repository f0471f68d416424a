"""A program built on tb-rest-client, which the tests run with each version of it.

Arguments: URL, e-mail address and password of a tenant administrator. Prints what it got as one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

try:  # 3.5 to 4.3
    from tb_rest_client.models import models_ce as models
    from tb_rest_client.rest_client_ce import RestClientCE as RestClient

    GIVES_BYTES = True
except ImportError:  # since 4.4
    from tb_rest_client import models
    from tb_rest_client.rest_client import RestClient

    GIVES_BYTES = False

from tb_rest_client.rest import ApiException

PASSWORD = "chosen by the customer"
KEY = "u7piawkboq8v32dmcmpp"
SECRET = "jpmwdn8ptlswmf4m29bw"


def login(url: str, email: str, password: str) -> Any:
    client = RestClient(base_url=url)
    client.login(username=email, password=password)
    return client


def refusal(call: Any) -> list[Any]:
    """Return status, error code and message of a call that is refused."""
    try:
        call()
    except ApiException as error:
        body = json.loads(error.body)
        return [error.status, body["errorCode"], body["message"]]
    return ["not refused"]


def text_of(link: str) -> str:
    """Return a text answer; the older clients give the text of a bytes literal."""
    return link.removeprefix("b'").removesuffix("'") if GIVES_BYTES else link


def people(url: str, admin: Any) -> dict[str, Any]:
    """Make a customer with a user, who chooses a password and logs in."""
    me = admin.get_user()
    customer = admin.save_customer(models.Customer(title="c1"))
    user = admin.save_user(
        models.User(email="u@example.com", authority="CUSTOMER_USER", customer_id=customer.id, first_name="U"),
        send_activation_mail=False,
    )
    link = text_of(admin.get_activation_link(user.id))
    token = link.partition("activateToken=")[2]
    # The older clients call the link's own path for this, and can make nothing of the answer.
    info = None if GIVES_BYTES else admin.get_activation_link_info(user.id)
    admin.activate_user(
        body=models.ActivateUserRequest(activate_token=token, password=PASSWORD), send_activation_mail=False
    )
    person = login(url, "u@example.com", PASSWORD)
    found = {
        "me": [me.email, me.authority, me.id.entity_type],
        "customer": [customer.title, customer.id.entity_type, customer.version],
        "user": [user.email, user.authority, user.customer_id.id == customer.id.id],
        "person": person.get_user().first_name,
        "own customer": person.get_customer_by_id(customer.id).title,
        "forbidden": refusal(lambda: person.save_customer(models.Customer(title="c2"))),
        "taken": refusal(lambda: admin.save_customer(models.Customer(title="c1"))),
        "customers": [each.title for each in admin.get_customers(page_size=10, page=0).data],
        "users": [each.email for each in admin.get_customer_users(customer.id, page_size=10, page=0).data],
        "activated": refusal(lambda: admin.get_activation_link(user.id)),
        "link info": info is None or (info.value == link and info.ttl_ms > 0),
    }
    before = person.get_token()
    person.refresh()
    found["refreshed"] = person.get_token() != before and person.get_user().email
    person.logout()
    found["logged out"] = refusal(person.get_user)
    # A wrong password is no error for the client: it goes on without a token.
    nobody = login(url, "u@example.com", "wrong")
    found["wrong password"] = [nobody.get_token(), refusal(nobody.get_user)]
    admin.delete_user(user.id)
    admin.delete_customer(customer.id)
    found["customers left"] = admin.get_customers(page_size=10, page=0).total_elements
    return found


def profiles(admin: Any) -> dict[str, Any]:
    """Make, change, list and delete device profiles."""
    provision = models.AllowCreateNewDevicesDeviceProfileProvisionConfiguration(
        type="ALLOW_CREATE_NEW_DEVICES", provision_device_secret=SECRET
    )
    data = models.DeviceProfileData(
        configuration={"type": "DEFAULT"},
        transport_configuration={"type": "DEFAULT"},
        provision_configuration=provision,
    )
    wanted = models.DeviceProfile(
        name="Sensor v2",
        type="DEFAULT",
        transport_type="DEFAULT",
        provision_type="ALLOW_CREATE_NEW_DEVICES",
        provision_device_key=KEY,
        profile_data=data,
    )
    saved = admin.save_device_profile(wanted)
    stale = saved.version
    saved.description = "new"
    updated = admin.save_device_profile(saved)
    saved.version = stale
    device = {"deviceName": "d1", "provisionDeviceKey": KEY, "provisionDeviceSecret": SECRET}
    return {
        "saved": [saved.name, saved.provision_device_key, saved.id.entity_type],
        "updated": [updated.description, updated.version],
        "stale": refusal(lambda: admin.save_device_profile(saved))[:2],
        "taken": refusal(lambda: admin.save_device_profile(wanted)),
        "default": admin.get_default_device_profile_info().name,
        "profiles": sorted(each.name for each in admin.get_device_profiles(page_size=10, page=0).data),
        "infos": sorted(each.name for each in admin.get_device_profile_infos(page_size=10, page=0).data),
        "provisioned": admin.provision_device(device)["status"],
    }


def main(url: str, email: str, password: str) -> None:
    admin = login(url, email, password)
    print(json.dumps({"people": people(url, admin), "profiles": profiles(admin)}, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
