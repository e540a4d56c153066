package import BusWire

/// The client did what the specification forbids: the connection ends with `reasonCode`.
package struct ProtocolViolation: Error, Equatable, Sendable {
    package let reasonCode: ReasonCode
    /// What was wrong, with what; goes into the log and, where the client asked for it, into the reason string.
    package let message: String

    package init(_ reasonCode: ReasonCode, _ message: String) {
        self.reasonCode = reasonCode
        self.message = message
    }
}
