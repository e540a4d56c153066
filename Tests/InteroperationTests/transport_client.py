"""paho-mqtt over one transport: a message that is larger than one frame or record goes there and back.

Usage: transport_client.py websockets|unix ADDRESS PORT [CAFILE PATH]
"""
import queue
import sys

import paho.mqtt.client as mqtt

transport, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
arrived = queue.Queue()
subscribed = queue.Queue()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, transport=transport)
client.on_message = lambda client, user, message: arrived.put(message.payload)
client.on_subscribe = lambda *arguments: subscribed.put(True)
client.on_connect = lambda client, *arguments: client.subscribe("transport/test", 1)
if len(sys.argv) > 4:
    client.tls_set(sys.argv[4])
    client.ws_set_options(sys.argv[5])
client.connect(address, port)
client.loop_start()
subscribed.get(timeout=20)
payload = bytes(range(256)) * 800
client.publish("transport/test", payload, 1)
assert arrived.get(timeout=20) == payload
client.publish("transport/test", b"", 1)
assert arrived.get(timeout=20) == b""
client.disconnect()
client.loop_stop()
print("ok", transport)
