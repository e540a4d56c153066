/// A request, whose content is the business of whoever owns the table.
///
/// A class and not a type parameter: a row of the table is copied and moved for every call, and code that is generic
/// over a type of another module does that through its metadata, several times slower.
package protocol CallMessage: AnyObject, Sendable {
    /// The message is to be kept for long: what is used at once may share memory with much else.
    func keep()
}

/// An answer, of which the table keeps no more than bytes.
package protocol CallAnswer {
    var keptByteCount: Int { get }

    /// Writes that many bytes.
    func keep(in target: UnsafeMutableRawBufferPointer)
}
