/// By what a broker knows that async calls of several hosts are one: the same client and the same correlation data.
package struct OnceName: Hashable, Sendable {
    /// The client identifier under which the call is sent, whoever sends it.
    package let client: String
    /// The correlation data: at most 64 bytes.
    package let call: String

    /// - Parameters:
    ///   - schedule: Tells the schedules of one function apart.
    ///   - minute: When it is due, in seconds since 1970.
    init(_ function: FunctionAddress, schedule: String, minute: Double) {
        self.client = "fcbus-schedule-\(function.service)-\(function.function)"
        // FNV-1a: the same on every machine, unlike `Hasher`.
        let hash = schedule.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        self.call = "tick-\(Int(minute))-\(String(hash, radix: 16))"
    }
}
