import Foundation
import FunctionBus
import Testing

/// Nobody is there, or is there no more.
extension GuaranteeRows {
    static let absences = [
        Guarantee("A function that nobody has ever served is told at once") { place in
            try await place.bus { await Guarantee.end(of: $0, try FunctionName("never/served")) }
        },
        Guarantee("The same while somebody looks on (`fc/<service>/#`)") { place in
            try await place.bus { bus in
                try await bus.subscribe(["fc/watched/#"]) { _ in
                    await Guarantee.end(of: bus, try FunctionName("watched/never"))
                }
            }
        },
        Guarantee("A function whose last instance has gone is told at once") { place in
            let name = try FunctionName("gone/echo")
            return try await place.bus { bus in
                try await place.serving([FunctionHandler(name) { Response($0.payload) }]) { instances in
                    guard await Guarantee.end(of: bus, name) == "answered" else { return "no answer" }
                    instances[0].cancel()
                    try await instances[0].value
                    return await Guarantee.end(of: bus, name)
                }
            }
        },
        Guarantee("The death of the instance that has the call is told at once") { place in
            try await Self.death(at: place, "death/told", isIdempotent: false)
        },
        Guarantee("A call that may run twice goes to another instance, without a policy of its own") { place in
            try await Self.death(at: place, "death/again", isIdempotent: true)
        },
        Guarantee("An instance that drains loses no call") { place in
            let name = try FunctionName("drain/echo")
            let handler = FunctionHandler(name) { request in
                try await Task.sleep(for: .milliseconds(5))
                return Response(request.payload)
            }
            return try await place.serving([handler, handler]) { instances in
                try await place.bus { bus in
                    let ends = await withTaskGroup(of: [String].self) { group in
                        for caller in 0..<4 {
                            group.addTask {
                                var ends: [String] = []
                                for number in 0..<40 {
                                    if caller == 0, number == 10 { instances[0].cancel() }
                                    ends.append(await Guarantee.end(of: bus, name))
                                }
                                return ends
                            }
                        }
                        return await group.reduce(into: []) { $0 += $1 }
                    }
                    let failures = ends.count { $0 != "answered" }
                    return failures == 0 ? "yes" : "no: \(failures) of \(ends.count)"
                }
            }
        },
    ]

    /// An instance in a process of its own is killed while it has the call; another one is there where that matters.
    private static func death(at place: GuaranteePlace, _ text: String, isIdempotent: Bool) async throws -> String {
        let name = try FunctionName(text)
        let begun = FileManager.default.temporaryDirectory.appending(path: "begun-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: begun) }
        let doomed = try RunningCommand(
            try #require(RunningBroker.binary),
            [
                "serve", text, "--timeout", "20s", "--broker", place.instanceURL, "--", "sh", "-c",
                "touch \(begun); exec sleep 2",
            ])
        _ = try await doomed.line(timeout: 20) { $0 == "ready \(text)" }
        return try await place.bus { bus in
            var options = CallOptions(timeout: .seconds(6))
            options.isIdempotent = isIdempotent
            let call = Task { [options] in await Guarantee.end(of: bus, name, options: options) }
            while !FileManager.default.fileExists(atPath: begun) { try await Task.sleep(for: .milliseconds(5)) }
            let other = FunctionHandler(name) { Response($0.payload) }
            return try await place.serving(isIdempotent ? [other] : []) { _ in
                doomed.kill9()
                let end = await call.value
                return end == "answered"
                    ? "yes" : isIdempotent ? end.replacingOccurrences(of: "yes: ", with: "no: ") : end
            }
        }
    }
}
