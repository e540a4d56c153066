/// How to reach a broker, and as whom.
public struct BusConfiguration: Sendable {
    /// Host name or address. Default 127.0.0.1.
    public var host = "127.0.0.1"
    /// Default 1883, with TLS 8883.
    public var port = 1883
    /// Default `fcbus-` and 16 random characters.
    public var clientIdentifier: String
    /// User name for the broker.
    public var userName: String?
    /// Password for the broker.
    public var password: String?
    /// A token (JWT) in place of a password; the user name may be left out then.
    public var token: String?
    /// Asked for a token before each connection, in place of `token`, since tokens expire. Called on the connection's
    /// thread: it may read a file, and must not wait for the bus.
    public var tokenSource: (@Sendable () -> String?)?
    /// Whether the connection is encrypted.
    public var usesTLS = false
    /// PEM file of the authorities to trust; `nil` trusts those of the system.
    public var authorityFile: String?
    /// PEM file of this client's certificate.
    public var certificateFile: String?
    /// PEM file of this client's key.
    public var keyFile: String?
    /// Password of an encrypted key; without one such a key is refused.
    public var keyPassword: String?
    /// Whether the broker's certificate must be for `host`. Default yes; without, anybody with a certificate of a
    /// trusted authority can pose as the broker.
    public var verifiesHostName = true
    /// How long the connection may be silent before it counts as lost, at least 5 s. Default 30 s.
    public var keepAlive: Duration = .seconds(30)
    /// The largest packet that the broker may send; answers that are larger become a 413 on fcbus. Default 16 MiB.
    public var packetBytesMax = 16 << 20
    /// How long `withConnection` waits for the first connection. Default 10 s.
    public var connectTimeout: Duration = .seconds(10)

    /// A broker on this machine.
    public init() {
        self.clientIdentifier = Self.randomIdentifier()
    }

    /// Reads `mqtt://user:password@host:port` or `mqtts://host`.
    /// - Throws: `BusError` with `invalidArgument`.
    public init(broker: String) throws(BusError) {
        self.init()
        let failure = BusError(
            .invalidArgument, "'\(broker)' is not a broker: write mqtt://host:port or mqtts://host:port")
        guard let schemeEnd = broker.firstRange(of: "://") else { throw failure }
        switch broker[..<schemeEnd.lowerBound] {
        case "mqtt": break
        case "mqtts":
            self.usesTLS = true
            self.port = 8883
        case "ws", "wss":
            throw BusError(
                .invalidArgument,
                "'\(broker)' is a WebSocket, which libmosquitto does not speak: use mqtt:// or mqtts://")
        default: throw failure
        }
        var rest = broker[schemeEnd.upperBound...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            self.userName = String(parts[0])
            self.password = parts.count > 1 ? String(parts[1]) : nil
            rest = rest[rest.index(after: at)...]
        }
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            self.host = String(rest[rest.index(after: rest.startIndex)..<end])
            rest = rest[rest.index(after: end)...]
        } else {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            self.host = String(rest[..<end])
            rest = rest[end...]
        }
        if rest.hasPrefix(":") {
            guard let port = Int(rest.dropFirst()), (1...65_535).contains(port) else { throw failure }
            self.port = port
        } else if !rest.isEmpty {
            throw failure
        }
        guard !self.host.isEmpty else { throw failure }
    }

    private static func randomIdentifier() -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        return "fcbus-" + String((0..<16).map { _ in letters[Int.random(in: 0..<letters.count)] })
    }
}
