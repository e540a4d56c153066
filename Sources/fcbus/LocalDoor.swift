import BusCore
import BusInProcess
import BusServer
import BusWire
import NIOCore

/// The running broker, as the in-process transport of the SDK sees it.
struct LocalDoor: BrokerDoor {
    let clients: LocalClients

    func open(deliver: @escaping Deliver) -> ConnectionIdentifier? {
        self.clients.open(deliver: deliver)
    }

    func send(_ packets: [Packet], from connection: ConnectionIdentifier) {
        self.clients.send(packets, from: connection)
    }

    func resume(_ connection: ConnectionIdentifier) {
        self.clients.resume(connection)
    }

    func close(_ connection: ConnectionIdentifier) {
        self.clients.close(connection)
    }
}
