import BusAccess
import BusContract
import BusWire
import NIOCore

extension Publish {
    /// The message as the store keeps it: a PUBLISH of MQTT 5.0.
    var storedPacket: [UInt8] {
        var buffer = ByteBuffer()
        // A PUBLISH above QoS 0 has an identifier; which one means nothing here.
        let delivery = PublishDelivery(
            qos: self.qos, isRetained: self.isRetained,
            packetIdentifier: self.qos == .atMostOnce ? nil : PacketIdentifier(rawValue: 1))
        self.write(delivery, version: .v5, into: &buffer)
        return Array(buffer.readableBytesView)
    }

    /// `nil` when the bytes are not a PUBLISH.
    init?(storedPacket: [UInt8]) {
        self.init(storedPacket: ByteBuffer(bytes: storedPacket))
    }

    /// Shares the storage of the buffer.
    init?(storedPacket: ByteBuffer) {
        var buffer = storedPacket
        var decoder = PacketDecoder(role: .client, maximumPacketSize: .max, version: .v5)
        // What cannot be read was not written here.
        guard case .publish(var publish)? = try? decoder.next(in: &buffer) else { return nil }
        publish.packetIdentifier = nil
        self = publish
    }
}

/// Who somebody is, as one line of text: `client/user/group,group`, each part percent-encoded; an anonymous client has
/// no user.
enum StoredIdentity {
    static func encode(_ identity: Identity) -> String {
        let client = ClientName.encode(identity.clientIdentifier)
        return self.encode(user: identity.user, groups: identity.groups).map { "\(client)/\($0)" } ?? client
    }

    static func decode(_ text: String) -> Identity? {
        // The broker itself.
        guard !text.isEmpty else { return nil }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let client = parts.first.flatMap({ ClientName.decode($0) }) else { return nil }
        let (user, groups) = self.decodeUser(parts.count > 1 ? String(parts[1]) : nil)
        return Identity(user: user, clientIdentifier: client, groups: groups)
    }

    /// `nil` for an anonymous client.
    static func encode(user: String?, groups: Set<String>) -> String? {
        guard let user else { return nil }
        guard !groups.isEmpty else { return ClientName.encode(user) }
        return "\(ClientName.encode(user))/\(groups.sorted().map(ClientName.encode).joined(separator: ","))"
    }

    static func decodeUser(_ text: String?) -> (user: String?, groups: Set<String>) {
        guard let text else { return (nil, []) }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let user = parts.first.flatMap({ ClientName.decode($0) }) else { return (nil, []) }
        guard parts.count > 1 else { return (user, []) }
        return (user, Set(parts[1].split(separator: ",").compactMap { ClientName.decode($0) }))
    }
}
