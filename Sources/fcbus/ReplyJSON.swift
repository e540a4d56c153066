import Foundation
import FunctionBus

/// Answers and failures as one line of JSON for scripts.
enum ReplyJSON {
    static func text(_ reply: Reply) -> String {
        self.text([
            "status": reply.status, "payload": self.value(reply.payload), "contentType": reply.contentType ?? "",
        ])
    }

    static func text(_ error: BusError) -> String {
        self.text([
            "status": error.status, "code": error.code.rawValue, "message": error.message,
            "executed": error.executed.rawValue,
        ])
    }

    /// Text where it is UTF-8, else Base64.
    private static func value(_ payload: Payload) -> Any {
        payload.text ?? Data(payload.bytes).base64EncodedString()
    }

    static func text(_ object: Any) -> String {
        // The objects here hold only what JSON can say.
        let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
