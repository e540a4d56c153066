import json

speeds = {}


def handler(event, context):
    order = json.loads(event)
    device, percent = order["device"], int(order["percent"])
    if not 0 <= percent <= 100:
        raise ValueError("percent must be 0 to 100 (got %d)" % percent)
    changed = speeds.get(device) != percent
    speeds[device] = percent
    if changed:
        print("fan of %s now at %d %%" % (device, percent))
    return {"device": device, "percent": percent, "changed": changed}
