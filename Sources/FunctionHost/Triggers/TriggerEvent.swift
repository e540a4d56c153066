#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a function gets when a trigger sets it off, instead of a caller's payload.
enum TriggerEvent {
    private struct Message: Encodable {
        var topic: String
        var payload: String
        var encoding: String?
    }

    private struct Tick: Encodable {
        var schedule: String
        var time: String
    }

    private struct Start: Encodable {
        var start = true
        var time: String
    }

    /// `{"start": true, "time": …}` with the second in ISO 8601 and UTC.
    static func start(at date: Date) -> [UInt8] {
        self.json(Start(time: date.formatted(.iso8601)))
    }

    /// `{"topic": …, "payload": …}` with the payload as text, as the original platform's router sends it.
    /// Bytes that are not UTF-8 travel as base64 and are marked by `"encoding": "base64"`.
    static func message(_ message: IncomingMessage, raw: Bool) -> [UInt8] {
        if raw { return message.payload }
        guard let text = String(validating: message.payload, as: UTF8.self) else {
            let base64 = Data(message.payload).base64EncodedString()
            return self.json(Message(topic: message.topic, payload: base64, encoding: "base64"))
        }
        return self.json(Message(topic: message.topic, payload: text))
    }

    /// `{"schedule": …, "time": …}` with the minute in ISO 8601 and UTC.
    static func tick(_ schedule: CronSchedule, at date: Date) -> [UInt8] {
        let minute = Date(timeIntervalSince1970: (date.timeIntervalSince1970 / 60).rounded(.down) * 60)
        return self.json(Tick(schedule: schedule.description, time: minute.formatted(.iso8601)))
    }

    private static func json(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return [UInt8](try encoder.encode(value))
        } catch {
            preconditionFailure("strings are always JSON: \(error)")
        }
    }
}
