import Foundation
import Subprocess
import Testing

@testable import FunctionHost

@Suite("lecoresdk outside the host", .timeLimit(.minutes(5)))
struct StandaloneClientTests {
    /// Where paho-mqtt was installed for the tests; it is no dependency of workers.
    private static let packages = ProcessInfo.processInfo.environment["FCBUS_TEST_PYTHONPATH"]
    private static let hasBroker = FileManager.default.isExecutableFile(atPath: "/usr/sbin/mosquitto")

    private static func run(_ code: String, packages: String? = nil) async throws -> (output: String, error: String) {
        let path = [TestHost.python.folder, packages].compactMap(\.self).joined(separator: ":")
        let result = try await Subprocess.run(
            .name("python3"), arguments: ["-B", "-c", code],
            environment: .inherit.updating(["PYTHONPATH": path, "FCBUS_BROKER": nil]), output: .string(limit: 1 << 16),
            error: .string(limit: 1 << 16))
        return (result.standardOutput, result.standardError)
    }

    @Test("Without paho-mqtt the error says what to install")
    func withoutPaho() async throws {
        let (_, error) = try await Self.run(
            """
            import sys
            sys.modules["paho"] = None
            import lecoresdk
            lecoresdk.Client().invoke_function({"functionId": "T/f"})
            """)
        #expect(error.contains("needs paho-mqtt: pip install 'paho-mqtt>=2'"))
    }

    @Test("Without a broker the error names the address, without the password in it")
    func withoutBroker() async throws {
        let (_, error) = try await Self.run(
            """
            import os
            os.environ["FCBUS_BROKER"] = "mqtt://me:secret@127.0.0.1:1"
            import lecoresdk
            lecoresdk.Client().invoke_function({"functionId": "T/f"})
            """, packages: Self.packages)
        #expect(!error.contains("secret"))
        if Self.packages != nil { #expect(error.contains("no broker at 127.0.0.1:1")) }
    }

    @Test(
        "Calls, failures, async calls and messages work over a stock broker",
        .enabled(if: StandaloneClientTests.packages != nil && StandaloneClientTests.hasBroker))
    func overMosquitto() async throws {
        let (output, error) = try await Self.run(Self.conversation, packages: Self.packages)
        #expect(
            output == """
                {'statusCode': 200, 'functionError': '', 'payload': 'hi {"custom":1}'}
                {'statusCode': 500, 'functionError': 'Handled', 'payload': '{"Message":"no"}'}
                408 or 404
                True
                [0, 0, 0]

                """, "\(error)")
    }

    /// Starts a broker on a free port, serves a function with a plain MQTT client, and calls it with lecoresdk.
    private static let conversation = """
        import os, socket, subprocess, tempfile, threading, time
        import paho.mqtt.client as paho
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write("listener %d 127.0.0.1\\nallow_anonymous true\\n" % port)
            config.flush()
            broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", config.name], stderr=subprocess.DEVNULL)
            try:
                for _ in range(200):
                    try:
                        socket.create_connection(("127.0.0.1", port)).close()
                        break
                    except OSError:
                        time.sleep(0.02)
                os.environ["FCBUS_BROKER"] = "mqtt://127.0.0.1:%d" % port
                subscribed = threading.Event()
                def answer(client, userdata, message):
                    properties = Properties(PacketTypes.PUBLISH)
                    properties.CorrelationData = message.properties.CorrelationData
                    user = dict(message.properties.UserProperty)
                    payload = message.payload + b" " + user.get("fc-context", "").encode()
                    if message.payload == b"fail":
                        properties.UserProperty = [("__stat", "500"), ("fc-code", "HANDLER_ERROR")]
                        payload = b'{"Message":"no"}'
                    client.publish(message.properties.ResponseTopic, payload, 1, False, properties)
                server = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
                server.on_message = answer
                server.on_subscribe = lambda *arguments: subscribed.set()
                server.connect("127.0.0.1", port)
                server.subscribe("$share/fc/fc/T/echo/req/#", 1)
                server.loop_start()
                subscribed.wait(10)
                import lecoresdk
                client, echo = lecoresdk.Client(), {"serviceName": "T", "functionName": "echo"}
                print(client.invoke_function({**echo, "payload": "hi", "invokerContext": {"custom": 1}}))
                print(client.invoke_function({**echo, "payload": "fail"}))
                missing = client.invoke_function({"functionId": "T/missing", "timeout": 0.5})
                # Brokers before MQTT 5's "no matching subscribers" leave only the caller's own timeout.
                print("408 or 404" if missing["statusCode"] in (404, 408) else missing)
                print(client.invoke_function({**echo, "payload": "x", "invocationType": "Async"}) == "success")
                iot = lecoresdk.IoTData()
                print([iot.publish({"topic": "a/b", "payload": b"1", "qos": qos}) for qos in (0, 1, 2)])
            finally:
                broker.terminate()
                broker.wait()
        """
}
