import Yams

extension ConfigurationFile {
    private static let listenerKeys = [
        "host", "port", "unix", "mode", "tls", "webSocket", "proxyProtocol", "allowAnonymous", "durability",
    ]

    func listeners(_ node: Node) throws(ConfigurationFailure) -> [Listener] {
        guard let sequence = node.sequence, !sequence.isEmpty else {
            throw self.failure(node, "listeners: a list with at least one entry such as `- port: 1883`")
        }
        var listeners: [Listener] = []
        for entry in sequence { listeners.append(try self.listener(entry)) }
        return listeners
    }

    private func listener(_ node: Node) throws(ConfigurationFailure) -> Listener {
        let keys = try self.section(node, path: "listeners.", keys: Self.listenerKeys)
        var listener = Listener(try self.address(keys))
        if let node = keys["tls"] { listener.tls = try self.tls(node) }
        if let node = keys["webSocket"] { listener.webSocket = try self.webSocket(node) }
        if let node = keys["proxyProtocol"] {
            listener.expectsProxyHeader = try self.boolean(node, "listeners.proxyProtocol")
        }
        if let node = keys["allowAnonymous"] {
            listener.allowsAnonymous = try self.boolean(node, "listeners.allowAnonymous")
        }
        if let node = keys["durability"] { listener.durability = try self.choice(node, "listeners.durability") }
        return listener
    }

    private func address(_ keys: [String: Node]) throws(ConfigurationFailure) -> Listener.Address {
        if let node = keys["unix"] {
            if let other = keys["host"] ?? keys["port"] {
                throw self.failure(other, "listeners: a listener has either host and port, or unix")
            }
            let mode = try keys["mode"].map { node throws(ConfigurationFailure) in try self.fileMode(node) }
            return .unix(path: try self.string(node, "listeners.unix"), mode: mode ?? 0o600)
        }
        if let node = keys["mode"] { throw self.failure(node, "listeners.mode belongs to a listener with unix") }
        var host = "127.0.0.1"
        var port = 1883
        if let node = keys["host"] { host = try self.string(node, "listeners.host") }
        if let node = keys["port"] { port = try self.integer(node, "listeners.port", in: 0...65_535) }
        return .tcp(host: host, port: port)
    }

    /// Permission bits as text in octal, `"0660"`.
    private func fileMode(_ node: Node) throws(ConfigurationFailure) -> Int {
        guard let mode = node.scalar.flatMap({ Int($0.string, radix: 8) }), (0...0o777).contains(mode) else {
            throw self.failure(node, "listeners.mode must be permission bits in octal such as \"0660\"")
        }
        return mode
    }

    private func tls(_ node: Node) throws(ConfigurationFailure) -> TLSSettings {
        let path = "listeners.tls."
        let keys = try self.section(
            node, path: path, keys: ["certificate", "key", "clientAuthority", "clientCertificate", "userName"])
        guard let certificate = keys["certificate"], let key = keys["key"] else {
            throw self.failure(node, "listeners.tls needs certificate and key: the PEM files of the server")
        }
        var settings = TLSSettings(
            certificate: try self.string(certificate, path + "certificate"), key: try self.string(key, path + "key"))
        if let node = keys["clientAuthority"] {
            settings.clientAuthority = try self.string(node, path + "clientAuthority")
            settings.clientCertificate = .required
        }
        if let node = keys["clientCertificate"] {
            settings.clientCertificate = try self.choice(node, path + "clientCertificate")
        }
        if let node = keys["userName"] { settings.userName = try self.choice(node, path + "userName") }
        if settings.clientCertificate != .none, settings.clientAuthority == nil {
            throw self.failure(node, "listeners.tls.clientCertificate needs clientAuthority: a PEM file")
        }
        if settings.userName != nil, settings.clientCertificate == .none {
            throw self.failure(node, "listeners.tls.userName needs clientAuthority: certificates name the users")
        }
        return settings
    }

    private func webSocket(_ node: Node) throws(ConfigurationFailure) -> WebSocketSettings? {
        if let isOn = node.bool { return isOn ? WebSocketSettings() : nil }
        let path = "listeners.webSocket."
        let keys = try self.section(node, path: path, keys: ["path", "origins"])
        var settings = WebSocketSettings()
        if let node = keys["path"] {
            settings.path = try self.string(node, path + "path")
            guard settings.path.hasPrefix("/") else { throw self.failure(node, path + "path must begin with /") }
        }
        if let node = keys["origins"] { settings.origins = try self.strings(node, path + "origins") }
        return settings
    }
}
