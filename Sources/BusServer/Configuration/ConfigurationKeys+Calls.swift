import BusCalls
import BusCore
import BusSession

extension ConfigurationFile {
    /// Keys below `limits:` that bound calls.
    static let callLimitKeys: [LimitKey] = [
        LimitKey(name: "callsPerCallerMax", unit: .count, range: 1...1_000_000) {
            $0.limits.calls.callsPerCallerMax = $1
        },
        LimitKey(name: "callsPerFunctionMax", unit: .count, range: 1...1_000_000) {
            $0.limits.calls.callsPerFunctionMax = $1
        },
        LimitKey(name: "callsWaitingMin", unit: .count, range: 0...1_000_000) { $0.limits.calls.queueMin = $1 },
        LimitKey(name: "capacityDefault", unit: .count, range: 1...65_535) { $0.limits.calls.capacityDefault = $1 },
        LimitKey(name: "callAttemptsMax", unit: .count, range: 1...1000) { $0.limits.calls.attemptsMax = $1 },
        LimitKey(name: "callTimeoutMax", unit: .seconds, range: 1...30 * 86_400) {
            $0.limits.calls.timeoutSecondsMax = UInt64($1)
        },
        LimitKey(name: "replayTime", unit: .seconds, range: 0...86_400) {
            $0.limits.calls.replaySeconds = UInt64($1)
        },
        LimitKey(name: "replayBytesPerClientMax", unit: .bytes, range: 0...1 << 40) {
            $0.limits.calls.replayBytesPerClientMax = $1
        },
        LimitKey(name: "functionsMax", unit: .count, range: 1...10_000_000) { $0.limits.calls.functionsKnownMax = $1 },
        LimitKey(name: "keysPerFunctionMax", unit: .count, range: 1...10_000_000) {
            $0.limits.calls.keysPerFunctionMax = $1
        },
        LimitKey(name: "presencesPerClientMax", unit: .count, range: 1...1_000_000) {
            $0.limits.calls.presencesPerClientMax = $1
        },
        LimitKey(name: "callSubscriptionsPerClientMax", unit: .count, range: 1...10_000_000) {
            $0.limits.session.callSubscriptionsMax = $1
        },
        LimitKey(name: "tasksMax", unit: .count, range: 0...100_000_000) { $0.limits.tasksMax = $1 },
        LimitKey(name: "taskBytesMax", unit: .bytes, range: 0...1 << 40) { $0.limits.taskBytesMax = $1 },
        LimitKey(name: "taskAge", unit: .seconds, range: 1...Int(UInt32.max)) {
            $0.limits.taskAgeSeconds = UInt64($1)
        },
    ]
}
