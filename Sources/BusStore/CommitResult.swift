/// What the writer reports, in the order of the numbers, on its own thread.
package enum CommitResult: Sendable, Equatable {
    /// Everything appended up to this number is on disk: acknowledgements that waited for it may leave.
    case committed(upTo: UInt64)
    /// What was appended up to this number does not fit on the disk. It is kept in memory and tried again until there is
    /// room; until the next `committed` the caller accepts nothing that needs the store and holds acknowledgements.
    case full(upTo: UInt64)
    /// The disk failed; nothing is ever committed again, because what an fsync that failed left behind is not known.
    case failed(message: String)
}
