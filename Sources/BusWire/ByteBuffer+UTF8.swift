package import NIOCore

extension ByteBuffer {
    /// Whether the readable bytes are what a Payload Format Indicator of 1 promises: well-formed UTF-8. U+0000 is fine
    /// here, as a payload is not a string of the protocol.
    package var isUTF8: Bool {
        do {
            _ = try UTF8Span(validating: self.readableBytesUInt8Span)
            return true
        } catch {
            return false
        }
    }
}
