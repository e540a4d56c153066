import BusCalls
import BusWire

/// A PUBLISH in the hands of the call table.
final class StoredPublish: CallMessage {
    let publish: Publish

    /// Takes the content into storage of its own: what is kept must not pin the 64 KiB that one read brought.
    init(_ publish: Publish) {
        self.publish = publish.compacted()
    }
}

extension CallMessage {
    /// The message as this room gave it to the table.
    var publish: Publish {
        // The table gives back what it got, and this room gives it nothing else.
        unsafe unsafeDowncast(self, to: StoredPublish.self).publish
    }
}
