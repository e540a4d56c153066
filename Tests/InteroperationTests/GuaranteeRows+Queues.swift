import Foundation
import FunctionBus

/// Who gets a call, in which order, and what happens when there are too many.
extension GuaranteeRows {
    static let queues = [
        Guarantee("Calls of one key go to one instance") { place in
            let name = try FunctionName("key/echo")
            let handler = FunctionHandler(name) { Response($0.payload) }
            return try await place.serving([handler, handler]) { _ in
                try await place.bus { bus in
                    var options = CallOptions()
                    options.key = "device-7"
                    var instances: Set<String?> = []
                    for number in 0..<8 {
                        instances.insert(try await bus.call(name, "\(number)", options: options).instance)
                    }
                    return instances.count == 1 ? "yes" : "no: they take turns"
                }
            }
        },
        Guarantee("A call waits for the one before it of the same key, two instances") { place in
            try await Self.orderOfKey(at: place) { bus, name, payload, options in
                _ = try await bus.call(name, payload, options: options)
            }
        },
        Guarantee("A one-way call waits for the one before it of the same key, two instances") { place in
            try await Self.orderOfKey(at: place) { bus, name, payload, options in
                try await bus.send(name, payload, options: options)
            }
        },
        Guarantee("A call goes to an instance that has room, not behind a busy one") { place in
            try await Self.busyInstance(at: place)
        },
        Guarantee("Too many calls are refused at once, with 429") { place in
            let name = try FunctionName("busy/one")
            var options = ServeOptions()
            options.concurrency = 1
            let handler = FunctionHandler(name, options: options) { _ in
                try await Task.sleep(for: .seconds(20))
                return "done"
            }
            return try await place.serving([handler]) { _ in
                try await place.bus { bus in
                    let ends = await withTaskGroup(of: String.self) { group in
                        let options = CallOptions(timeout: .seconds(2))
                        for _ in 0..<80 { group.addTask { await Guarantee.end(of: bus, name, options: options) } }
                        return await group.reduce(into: []) { $0.append($1) }
                    }
                    return ends.contains("yes: 429, none") ? "yes" : "no"
                }
            }
        },
    ]

    /// The first takes long: a second that does not wait for it comes to its end before.
    private static func orderOfKey(
        at place: GuaranteePlace,
        _ invoke: @escaping @Sendable (FunctionBus, FunctionName, Payload, CallOptions) async throws -> Void
    ) async throws -> String {
        let name = try FunctionName("key/order-\(UUID().uuidString.prefix(8))")
        var options = ServeOptions()
        options.concurrency = 1
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let (ended, end) = AsyncStream.makeStream(of: Payload.self)
        let handler = FunctionHandler(name, options: options) { request in
            if request.payload == "first" {
                begin.yield()
                try await Task.sleep(for: .milliseconds(500))
            }
            end.yield(request.payload)
            return ""
        }
        return try await place.serving([handler, handler]) { _ in
            try await place.bus { bus in
                var options = CallOptions()
                options.key = "device-7"
                let first = Task { [options] in try await invoke(bus, name, "first", options) }
                _ = await begun.first { _ in true }
                try await invoke(bus, name, "second", options)
                try await first.value
                return await ended.first { _ in true } == "first" ? "yes" : "no: it overtakes"
            }
        }
    }

    private static func busyInstance(at place: GuaranteePlace) async throws -> String {
        let name = try FunctionName("busy/other")
        var options = ServeOptions()
        options.concurrency = 1
        let (begun, signal) = AsyncStream.makeStream(of: Void.self)
        let handler = FunctionHandler(name, options: options) { request in
            guard request.payload == "long" else { return "short" }
            signal.yield()
            try await Task.sleep(for: .seconds(20))
            return "done"
        }
        return try await place.serving([handler, handler]) { _ in
            try await place.bus { bus in
                let long = Task { try await bus.call(name, "long", options: CallOptions(timeout: .seconds(30))) }
                _ = await begun.first { _ in true }
                defer { long.cancel() }
                // Many: where chance chooses the instance, it must not choose well each time.
                for _ in 0..<16 where await Guarantee.end(of: bus, name) != "answered" { return "no: it may wait" }
                return "yes"
            }
        }
    }
}
