import json
import os

import lecoresdk

edgefc = lecoresdk.Client()
iot = lecoresdk.IoTData()
limit = float(os.environ["LIMIT_CELSIUS"])


def handler(event, context):
    message = json.loads(event)
    device = message["topic"].split("/")[1]
    celsius = float(message["payload"])
    if celsius <= limit:
        return None
    answer = edgefc.invoke_function(
        {
            "serviceName": "EdgeFC",
            "functionName": "fan",
            "payload": json.dumps({"device": device, "percent": min(100, round((celsius - limit) * 20))}),
        }
    )
    if answer["functionError"]:
        raise RuntimeError("the fan of %s did not start: %s" % (device, answer["payload"]))
    fan = json.loads(answer["payload"])
    iot.publish(
        {
            "topic": "rooms/%s/cooling" % device,
            "payload": json.dumps({"celsius": celsius, "fan": fan["percent"]}),
            "qos": 1,
        }
    )
    return fan
