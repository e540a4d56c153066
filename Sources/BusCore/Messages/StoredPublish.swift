import BusCalls
import BusWire

/// A PUBLISH in the hands of the call table.
final class StoredPublish: CallMessage {
    let publish: Publish
    /// The properties are already those for an instance, but for what changes from attempt to attempt.
    let isImage: Bool
    /// The route on which it came, where it is used at once.
    let route: Route?

    init(_ publish: Publish, isImage: Bool = false, along route: Route? = nil) {
        self.publish = publish
        self.isImage = isImage
        self.route = route
    }

    /// Takes the content into storage of its own: what is kept must not pin the 64 KiB that one read brought.
    func kept() -> any CallMessage { StoredPublish(self.publish.compacted(), isImage: self.isImage) }
}

extension Publish: CallAnswer {
    var keptByteCount: Int { self.packedByteCount }

    func keep(in target: UnsafeMutableRawBufferPointer) {
        unsafe self.pack(into: target)
    }
}

extension CallMessage {
    /// The message as this room gave it to the table.
    var stored: StoredPublish {
        // The table gives back what it got, and this room gives it nothing else.
        unsafe unsafeDowncast(self, to: StoredPublish.self)
    }

    var publish: Publish { self.stored.publish }
}
