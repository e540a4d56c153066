import Foundation
import FunctionBus
import Testing

/// The rows of Documentation/guarantees.md.
enum GuaranteeRows {
    static let all: [Guarantee] = answers + absences + queues + strangers + oneWay

    private static let answers = [
        Guarantee("A call is answered, and runs, exactly once") { place in
            let name = try FunctionName("once/echo")
            let runs = Guarantee.Count()
            let handler = FunctionHandler(name) { request in
                runs.add()
                return Response(request.payload)
            }
            return try await place.serving([handler]) { _ in
                try await place.bus { bus in
                    let answers = try await withThrowingTaskGroup(of: String?.self) { group in
                        for number in 0..<60 { group.addTask { try await bus.call(name, "\(number)").text } }
                        return try await group.reduce(into: []) { $0.append($1) }
                    }
                    return Set(answers).count == 60 && runs.value == 60 ? "yes" : "no: \(runs.value) of 60 ran"
                }
            }
        },
        Guarantee("The same request again does not run again, one instance") { place in
            try await Self.repetition(at: place, "again/one", instances: 1)
        },
        Guarantee("The same request again does not run again, two instances") { place in
            try await Self.repetition(at: place, "again/two", instances: 2)
        },
        Guarantee("The deadline is kept, at the caller") { place in
            let name = try FunctionName("late/hung")
            let handler = FunctionHandler(name) { _ in
                try await Task.sleep(for: .seconds(20))
                return "late"
            }
            return try await place.serving([handler]) { _ in
                try await place.bus { bus in
                    do throws(BusError) {
                        _ = try await bus.call(name, options: CallOptions(timeout: .milliseconds(300)))
                        return "no"
                    } catch {
                        // Either the one or the other tells it first.
                        return error.status == 408 && error.executed == .maybe ? "yes" : "no: \(error)"
                    }
                }
            }
        },
        Guarantee("An answer that comes too late does not reach the caller's socket") { place in
            // By hand: the SDK's own instances do not answer after the deadline.
            try await place.bus(at: place.instanceURL) { instance in
                try await instance.subscribe([place.requests(of: "late/answer")]) { requests in
                    try await place.bus { try await Self.lateAnswer(to: $0, from: instance, requests) }
                }
            }
        },
        Guarantee("An answer larger than the caller takes is told") { place in
            let name = try FunctionName("large/answer")
            let handler = FunctionHandler(name) { _ in Response(Payload(Array(repeating: 0, count: 20_000))) }
            return try await place.serving([handler]) { _ in
                try await place.bus(at: nil, { $0.packetBytesMax = 10_000 }) { bus in
                    let end = await Guarantee.end(of: bus, name)
                    return end == "answered" ? "no: it comes all the same" : end
                }
            }
        },
    ]

    private static func repetition(at place: GuaranteePlace, _ text: String, instances: Int) async throws -> String {
        let name = try FunctionName(text)
        let runs = Guarantee.Count()
        let handler = FunctionHandler(name) { request in
            runs.add()
            return Response(request.payload)
        }
        let handlers = Array(repeating: handler, count: instances)
        return try await place.serving(handlers) { _ in
            try await place.bus { bus in
                let reply = "fc/_reply/\(bus.clientIdentifier)"
                try await bus.subscribe([reply + "/#"]) { answers in
                    var iterator = answers.makeAsyncIterator()
                    for number in 1...6 {
                        // Three requests, each sent twice.
                        let topic = "fc/\(text)/req/\(bus.clientIdentifier)/\((number + 1) / 2)"
                        try await bus.publish(topic, "x", qos: 1)
                        while let answer = await iterator.next(), answer.topic == reply {}
                    }
                }
            }
            return runs.value == 3 ? "yes" : "no: it runs twice"
        }
    }

    private static func lateAnswer(
        to bus: FunctionBus, from instance: FunctionBus, _ requests: BusMessages
    ) async throws -> String {
        let client = bus.clientIdentifier
        return try await bus.subscribe(["fc/_reply/\(client)/#", "late/end"]) { answers in
            try await bus.publish(
                "fc/late/answer/req/\(client)/1", "x", qos: 1, userProperties: [("fc-ttl-ms", "300")])
            for await _ in requests { break }
            // Far behind the deadline, also where the broker is slow to see it.
            try await Task.sleep(for: .seconds(1))
            do throws(BusError) {
                try await instance.publish("fc/_reply/\(client)/1", "late", qos: 1)
            } catch {
                return "yes"
            }
            // What the instance says next comes behind its answer.
            try await instance.publish("late/end", "", qos: 1)
            var isThere = false
            for await message in answers {
                if message.topic == "late/end" { break }
                if message.payload == "late" { isThere = true }
            }
            return isThere ? "no: the SDK hides it" : "yes"
        }
    }
}
