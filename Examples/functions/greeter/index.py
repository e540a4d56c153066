import lecoresdk

edgefc = lecoresdk.Client()


def handler(event, context):
    name = event.decode("utf-8") or "you"
    answer = edgefc.invoke_function(
        {
            "serviceName": "EdgeFC",
            "functionName": "helloworld",
            "invocationType": "Sync",
            "invokerContext": {"custom": {"data": name}},
            "payload": "String message from the greeter.",
        }
    )
    if answer["functionError"]:
        return "no greeting for %s: status %d, %s" % (name, answer["statusCode"], answer["payload"])
    return "%s, %s! (status %d)" % (answer["payload"], name, answer["statusCode"])
