import BusCore

/// One of everything. The stores in `Golden` hold the same: a change here is a new version of the format.
enum Samples {
    static let session = StoredSession(
        number: 7, clientIdentifier: "pump ünit 7", expirySeconds: .max, disconnectedAt: 1_700_000_000_123,
        user: "plant")
    static let connectedSession = StoredSession(number: 8, clientIdentifier: "", expirySeconds: 0)
    static let message = StoredMessage(packet: Array(0...255), expiresAt: 1_800_000_000_000)
    static let emptyMessage = StoredMessage(packet: [])
    static let delivery = StoredDelivery(
        order: 1, message: 1, qos: 2, isRetained: true, identifiers: [1, 268_435_455], packetIdentifier: 65_535,
        phase: .released)

    static let all: [StoreChange] = [
        .saveSession(Self.session),
        .saveSession(Self.connectedSession),
        .saveSubscription(session: 7, StoredSubscription(filter: "+/#", options: 0x2E, identifier: 268_435_455)),
        .saveSubscription(session: 7, StoredSubscription(filter: "$share/g/a/b", options: 1)),
        .saveMessage(number: 1, Self.message),
        .saveMessage(number: 2, Self.emptyMessage),
        .saveDelivery(session: 7, Self.delivery),
        .saveDelivery(session: 7, StoredDelivery(order: 2, message: 2, qos: 1)),
        .saveDelivery(session: 8, StoredDelivery(order: 1, message: 2, qos: 0)),
        .saveReceived(session: 7, packetIdentifier: 1),
        .saveReceived(session: 7, packetIdentifier: 65_535),
        .saveRetained(topic: "a/ä/🜁", Self.message, publisher: "plant"),
        .saveRetained(topic: "empty", Self.emptyMessage, publisher: ""),
        .saveTask(StoredTask(id: "t-1", record: [1, 2, 3], state: 255, dueAt: -1, isDead: true)),
        .saveTask(StoredTask(id: "t-2", record: [], state: 0)),
    ]
}
