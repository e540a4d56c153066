/// One place where clients connect: an address, and what lies between its bytes and MQTT.
package struct Listener: Sendable, Equatable {
    package enum Address: Sendable, Equatable {
        case tcp(host: String, port: Int)
        /// A socket in the file system, created with these permission bits.
        case unix(path: String, mode: Int)
    }

    package var address: Address
    package var tls: TLSSettings?
    package var webSocket: WebSocketSettings?
    /// Every connection begins with a PROXY protocol header (v1 or v2) that names the client's own address. Only for
    /// listeners that nobody but the proxy reaches: whoever connects can claim any address.
    package var expectsProxyHeader = false
    /// Whether clients without a user name get in; `nil`: as the configuration says for all listeners.
    package var allowsAnonymous: Bool?
    /// Whether its clients' sessions and messages are stored, where there is a store.
    package var durability = PersistenceSettings.Durability.commit

    package init(_ address: Address) {
        self.address = address
    }

    package init(host: String = "127.0.0.1", port: Int = 1883) {
        self.init(.tcp(host: host, port: port))
    }

    /// Whether only programs on this machine reach the listener.
    package var isLocal: Bool {
        switch self.address {
        case .tcp(let host, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
        case .unix: true
        }
    }

    /// `mqtt`, `mqtts`, `ws`, `wss` or `mqtt+unix`.
    package var scheme: String {
        if self.webSocket != nil { return self.tls == nil ? "ws" : "wss" }
        if case .unix = self.address { return "mqtt+unix" }
        return self.tls == nil ? "mqtt" : "mqtts"
    }
}

extension Listener: CustomStringConvertible {
    package var description: String {
        switch self.address {
        case .tcp(let host, let port): Self.url(self, host: host, port: port)
        case .unix(let path, _): "\(self.scheme)://\(path)"
        }
    }

    static func url(_ listener: Listener, host: String, port: Int) -> String {
        let name = host.contains(":") ? "[\(host)]" : host
        return "\(listener.scheme)://\(name):\(port)\(listener.webSocket?.path ?? "")"
    }
}

/// How a listener speaks TLS 1.2 and 1.3; the files are PEM.
package struct TLSSettings: Sendable, Equatable {
    /// Certificate chain of the server, leaf first.
    package var certificate: String
    package var key: String
    /// Authorities whose client certificates are accepted; without it clients are asked for none.
    package var clientAuthority: String?
    package var clientCertificate = ClientCertificate.none
    /// The part of a client's certificate that names its user, `nil`: user name and password count as elsewhere.
    package var userName: UserName?

    package enum ClientCertificate: String, Sendable, CaseIterable {
        case none, optional, required
    }

    package enum UserName: String, Sendable, CaseIterable {
        /// The common name of the subject.
        case commonName
        /// The whole subject, as RFC 4514 writes it.
        case subject
    }

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// How a listener speaks MQTT over WebSocket ([MQTT-6.0.0-1] to [MQTT-6.0.0-4]).
package struct WebSocketSettings: Sendable, Equatable {
    package var path = "/mqtt"
    /// Web pages whose scripts may connect, as `https://host[:port]`; empty: pages of any origin. Programs that are no
    /// browsers send no origin and are let in either way.
    package var origins: [String] = []

    package init() {}
}
