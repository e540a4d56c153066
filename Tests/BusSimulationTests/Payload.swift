import NIOCore

/// What simulated clients write into their messages: a number, and dots where the message is to be large.
enum Payload {
    static let smallBytesMax = 60
    static let largeBytes = 400

    static func make(_ number: Int, isLarge: Bool) -> ByteBuffer {
        var payload = ByteBuffer(string: String(number))
        if isLarge { payload.writeRepeatingByte(UInt8(ascii: "."), count: self.largeBytes) }
        return payload
    }

    static func number(of payload: ByteBuffer) -> Int {
        payload.readableBytesView.prefix { $0 != UInt8(ascii: ".") }.reduce(0) { $0 * 10 + Int($1 & 0x0F) }
    }
}
