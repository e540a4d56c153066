import BusContract
import Synchronization

/// A function as catalog and presence tell of it.
public struct DirectoryEntry: Sendable {
    /// An instance that serves the function.
    public struct Instance: Sendable {
        /// Most often the client identifier of its connection.
        public var identifier: String
        /// The machine it runs on.
        public var host: String
        /// Its process on that machine.
        public var processIdentifier: Int
        /// Seconds since 1970, `nil` if it did not say.
        public var started: Int?
        /// `online` or `draining`.
        public var status: String
    }

    /// The name by which it is called.
    public var name: FunctionName
    /// What its author says of it.
    public var description: String
    /// What its author calls this version.
    public var version: String
    /// Calls at a time in one instance.
    public var concurrency: Int?
    /// The deadline of a call that brings none.
    public var timeout: Duration?
    /// Who serves it now.
    public var instances: [Instance]
}

extension FunctionBus {
    /// The functions that are known, by name, with the instances that are there now.
    ///
    /// Works on every broker: it reads the retained messages of catalog and presence, and where the broker has no shared
    /// subscriptions, and may have kept them on another node, what the instances say when they are asked.
    /// - Parameter settling: how long no further entry may come before the list counts as whole. Default 100 ms.
    public func directory(settling: Duration = .milliseconds(100)) async throws -> [DirectoryEntry] {
        let collected = Collected()
        let mustAsk = self.state.withLock { $0.servesPlainly }
        let settling = mustAsk ? max(settling, Self.hearing) : settling
        try await self.subscribe([CallFilter.catalog, CallFilter.instances]) { stream in
            let reader = Task {
                for await message in stream where message.isRetained || mustAsk { collected.add(message) }
            }
            defer { reader.cancel() }
            // Who cannot be asked says nothing.
            if mustAsk { _ = try? self.transport.publish(Self.question(to: nil)) }
            while collected.lastArrival + settling > .now { try await Task.sleep(for: settling / 4) }
        }
        return Self.entries(collected.messages)
    }

    /// The retained messages that have come, and when the last one did.
    private final class Collected: Sendable {
        private let state = Mutex(([String: [UInt8]](), ContinuousClock.now))

        func add(_ message: BusMessage) {
            self.state.withLock { state in
                state.0[message.topic] = message.payload.bytes
                state.1 = .now
            }
        }

        var messages: [String: [UInt8]] { self.state.withLock { $0.0 } }
        var lastArrival: ContinuousClock.Instant { self.state.withLock { $0.1 } }
    }

    private static func entries(_ messages: [String: [UInt8]]) -> [DirectoryEntry] {
        var entries: [BusContract.FunctionName: DirectoryEntry] = [:]
        var instances: [(String, InstanceDescriptor)] = []
        for (topic, payload) in messages {
            let text = String(decoding: payload, as: UTF8.self)
            switch CallTopic(topic) {
            case .catalog(let name):
                // Somebody else's entry may be no descriptor: it is no function then.
                guard let descriptor = try? FunctionDescriptor(parsing: text) else { continue }
                entries[name] = DirectoryEntry(
                    name: FunctionName(name), description: descriptor.description, version: descriptor.version,
                    concurrency: descriptor.concurrency,
                    timeout: descriptor.timeoutMilliseconds.map { .milliseconds(Int64(clamping: $0)) }, instances: [])
            case .instance(let identifier):
                guard let descriptor = try? InstanceDescriptor(parsing: text) else { continue }
                instances.append((identifier, descriptor))
            default: continue
            }
        }
        for (identifier, descriptor) in instances where descriptor.status != .offline {
            let instance = DirectoryEntry.Instance(
                identifier: identifier, host: descriptor.host, processIdentifier: descriptor.processIdentifier,
                started: descriptor.startedSeconds == 0 ? nil : descriptor.startedSeconds,
                status: descriptor.status.rawValue)
            for text in descriptor.functions {
                guard let name = try? BusContract.FunctionName(parsing: text) else { continue }
                entries[name]?.instances.append(instance)
            }
        }
        return entries.keys.sorted().compactMap { entries[$0] }
    }
}
