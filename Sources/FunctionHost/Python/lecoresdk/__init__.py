"""Calls between functions and messages to devices, for functions on the bus.

The interface is that of Link IoT Edge's `lecoresdk`, so that functions written for it run unchanged:

    import lecoresdk

    edgefc = lecoresdk.Client()

    def handler(event, context):
        answer = edgefc.invoke_function({
            "serviceName": "EdgeFC",
            "functionName": "helloworld",
            "invocationType": "Sync",
            "invokerContext": {"custom": {"data": "customData"}},
            "payload": "String message from Python Invoker.",
        })
        return answer["payload"]

Inside the function host it speaks through the host. In any other program it speaks MQTT 5 to the broker that
FCBUS_BROKER names (default mqtt://127.0.0.1:1883), for which the package paho-mqtt has to be installed.
"""

from .cancellation import CallCancelled
from .client import Client, InvalidParameter, InvokeError, InvokeResult
from .credentials import CredentialProviderChain, CredentialsMissing
from .iotdata import IoTData, RequestException

__all__ = [
    "CallCancelled",
    "Client",
    "CredentialProviderChain",
    "CredentialsMissing",
    "IoTData",
    "InvalidParameter",
    "InvokeError",
    "InvokeResult",
    "RequestException",
]
