import BusAccess
import BusContract
import BusTopics

/// A small generator with a seed (SplitMix64), so that a failing case can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var word = self.state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

extension AccessPolicy {
    /// One rule for everyone.
    init(_ rights: [AccessRule.Right], denied: [AccessRule.Right] = []) {
        self.init(
            rules: rights.map { AccessRule(.everyone, .allow, $0) } + denied.map { AccessRule(.everyone, .deny, $0) },
            groups: [:])
    }

    /// What a client may do whose user is `ana`.
    func rights(of client: String, user: String? = "ana") -> AccessRights {
        self.rights(of: Identity(user: user, clientIdentifier: client))
    }
}

extension AccessRights {
    func maySubscribe(_ filter: String) throws -> Bool { self.maySubscribe(try TopicFilter(filter)) }
    func mayCall(_ function: String) throws -> Bool { self.mayCall(try Self.name(function)) }
    func mayServe(_ function: String) throws -> Bool { self.mayServe(try Self.name(function)) }

    private static func name(_ text: String) throws -> FunctionName {
        let parts = text.split(separator: "/").map(String.init)
        return parts[0] == "_sys"
            ? try FunctionName(systemOperation: parts[1]) : try FunctionName(service: parts[0], function: parts[1])
    }
}
