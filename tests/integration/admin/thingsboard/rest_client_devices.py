"""What a program built on tb-rest-client does with devices; the tests run it with each version.

Arguments: URL, e-mail address and password of a tenant administrator. Prints what it got as one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from rest_client_program import login, models, refusal

TABLE = 'NAME,TOKEN,SECRET\ni1,I1,"{""secretKey"":""s""}"\n,I2,\n'


def devices(admin: Any) -> dict[str, Any]:
    """Make, change, find, give away and delete devices."""
    customer = admin.save_customer(models.Customer(title="owner"))
    # The older models do not let it be left out.
    profile = admin.get_default_device_profile_info().id
    device = admin.save_device(
        models.Device(name="d 1/x", device_profile_id=profile), access_token="A1_TEST_TOKEN"
    )
    device.label = "Cellar"
    changed = admin.save_device(device)
    given = admin.assign_device_to_customer(customer.id, device.id)
    own = [each.name for each in admin.get_customer_devices(customer.id, page_size=10, page=0).data]
    taken = admin.unassign_device_from_customer(device.id)
    infos = admin.get_tenant_device_infos(page_size=10, page=0).data
    found = {
        "saved": [device.name, device.type, device.id.entity_type, device.version],
        "changed": [changed.label, changed.version],
        "read": admin.get_device_by_id(device.id).name,
        "by name": admin.get_tenant_device("d 1/x").id.id == device.id.id,
        "page": [each.name for each in admin.get_tenant_devices(page_size=10, page=0).data],
        "infos": [[each.name, each.active, each.type] for each in infos],
        "given": [given.customer_id.id == customer.id.id, own],
        "taken": taken.customer_id.id,
        "name taken": refusal(lambda: admin.save_device(models.Device(name="d 1/x", device_profile_id=profile))),
    }
    other = admin.save_device_with_credentials(
        models.SaveDeviceWithCredentialsRequest(
            device=models.Device(name="d2", device_profile_id=profile),
            credentials=models.DeviceCredentials(credentials_type="ACCESS_TOKEN", credentials_id="A2"),
        )
    )
    admin.delete_device(other.id)
    found["left"] = admin.get_tenant_devices(page_size=10, page=0).total_elements
    return found


def credentials(admin: Any) -> dict[str, Any]:
    """Read and change credentials."""
    device = admin.get_tenant_device("d 1/x")
    record = admin.get_device_credentials_by_device_id(device.id)
    before = [record.credentials_type, record.credentials_id, record.credentials_value]
    record.credentials_type = "MQTT_BASIC"
    record.credentials_value = '{"userName":"u","password":"p"}'
    after = admin.update_device_credentials(record)
    return {"before": before, "after": [after.credentials_type, after.credentials_id]}


def data(admin: Any) -> dict[str, Any]:
    """Set, read and delete attributes."""
    device = admin.get_tenant_device("d 1/x").id
    admin.save_device_attributes(device, "SERVER_SCOPE", {"a": "5", "b": True})
    admin.save_entity_attributes_v1(device, "SHARED_SCOPE", {"c": "on"})
    admin.save_entity_attributes_v2(device, "SHARED_SCOPE", {"d": 1.5})
    found = {
        "all": sorted([each["key"], each["value"]] for each in plain(admin, admin.get_attributes(device))),
        "some": plain(admin, admin.get_attributes_by_scope(device, "SHARED_SCOPE", keys="c,missing"))[0]["value"],
        "keys": sorted(admin.get_attribute_keys(device)),
        "telemetry": admin.get_timeseries_keys_v1(device),
    }
    admin.delete_entity_attributes(device, "SERVER_SCOPE", keys="a,missing")
    found["left"] = sorted(admin.get_attribute_keys(device))
    return found


def plain(admin: Any, found: Any) -> Any:
    """Return an answer as JSON; versions differ in what they make of it."""
    if isinstance(found, str):  # the text of a Python literal
        found = json.loads(found.replace("'", '"').replace("True", "true"))
    return [each if isinstance(each, dict) else {"key": each.key, "value": each.value} for each in found]


def bulk(admin: Any) -> dict[str, Any]:
    """Import devices."""
    columns = [
        models.ColumnMapping(type="NAME"),
        models.ColumnMapping(type="ACCESS_TOKEN"),
        models.ColumnMapping(type="SERVER_ATTRIBUTE", key="claimingData"),
    ]
    mapping = models.Mapping(columns=columns, delimiter=",", header=True, update=True)
    # What the older clients make of the counters is broken; that it is no error is all they can tell.
    admin.process_devices_bulk_import(models.BulkImportRequest(file=TABLE, mapping=mapping))
    record = admin.get_device_credentials_by_device_id(admin.get_tenant_device("i1").id)
    return {
        "token": record.credentials_id,
        "devices": admin.get_tenant_devices(page_size=10, page=0).total_elements,
    }


def main(url: str, email: str, password: str) -> None:
    admin = login(url, email, password)
    did = {"devices": devices(admin), "credentials": credentials(admin), "data": data(admin), "bulk": bulk(admin)}
    print(json.dumps(did, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
