import FunctionBus

/// Those whom a call does not concern; and calls that nobody waits for.
extension GuaranteeRows {
    static let strangers = [
        Guarantee("Nobody else can answer") { place in
            try await place.bus { victim in
                let topic = "fc/_reply/\(victim.clientIdentifier)/1"
                return try await victim.subscribe(["fc/_reply/\(victim.clientIdentifier)/#"]) { _ in
                    try await place.bus { stranger in
                        await Self.refusal(of: { try await stranger.publish(topic, "lie", qos: 1) })
                    }
                }
            }
        },
        Guarantee("Nobody else can read answers") { place in
            try await place.bus { stranger in
                await Self.refusal(of: { try await stranger.subscribe(["fc/_reply/#"]) { _ in } })
            }
        },
        Guarantee("Nobody else can say that an instance is there or gone") { place in
            try await place.bus { stranger in
                await Self.refusal(of: { try await stranger.publish("fc/_inst/somebody", "", qos: 1, retain: true) })
            }
        },
    ]

    private static func refusal(of attempt: () async throws -> Void) async -> String {
        do {
            try await attempt()
            return "no, unless rules forbid it"
        } catch {
            return "yes"
        }
    }

    /// Nobody is there to take it until the broker has come back.
    private static func killedBroker(_ place: GuaranteePlace) async throws -> String {
        let name = try FunctionName("killed/echo")
        return try await place.withStore { place, crash in
            do {
                _ = try await place.bus { try await $0.send(name, "x") }
            } catch let error as BusError {
                return "no: \(error.status)"
            }
            try await crash()
            let (ran, signal) = AsyncStream.makeStream(of: Void.self)
            let handler = FunctionHandler(name) { _ in
                signal.yield()
                return ""
            }
            return try await place.serving([handler]) { _ in
                _ = await ran.first { _ in true }
                return "yes"
            }
        }
    }

    static let oneWay = [
        Guarantee("A one-way call waits for an instance") { place in
            let name = try FunctionName("later/echo")
            return try await place.bus { bus in
                do throws(BusError) {
                    try await bus.send(name, "x")
                } catch {
                    return "no: \(error.status)"
                }
                let (ran, signal) = AsyncStream.makeStream(of: Void.self)
                let handler = FunctionHandler(name) { _ in
                    signal.yield()
                    return ""
                }
                return try await place.serving([handler]) { _ in
                    _ = await ran.first { _ in true }
                    return "yes"
                }
            }
        },
        Guarantee("A one-way call that was accepted runs, although the broker is killed first (with a store)") {
            try await Self.killedBroker($0)
        },
        Guarantee("A one-way call that fails is tried again") { place in
            let name = try FunctionName("retry/echo")
            let runs = Guarantee.Count()
            let (ended, signal) = AsyncStream.makeStream(of: Bool.self)
            let handler = FunctionHandler(name) { _ in
                guard runs.add() > 1 else { throw FunctionFailure("not yet") }
                signal.yield(true)
                return ""
            }
            return try await place.serving([handler]) { _ in
                try await place.bus { bus in
                    var terms = TaskTerms()
                    terms.pauses = RetryPolicy()
                    try await bus.send(name, "x", terms: terms)
                    let limit = Task {
                        try await Task.sleep(for: .seconds(3))
                        signal.yield(false)
                    }
                    let isDone = await ended.first { _ in true } == true
                    limit.cancel()
                    return isDone ? "yes" : "no"
                }
            }
        },
    ]
}
