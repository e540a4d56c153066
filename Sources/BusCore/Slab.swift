/// A table of values with stable indices and reuse of places.
///
/// Sessions and connections are found by index on every message, so a lookup is one array access. A freed place keeps
/// the `vacant` value, which lets elements be changed in place without unwrapping. Each place counts its owners: an
/// identity from an earlier owner (a timer, a late close) is told apart by its generation.
struct Slab<Element: Sendable>: Sendable {
    private struct Place {
        var element: Element
        /// Odd while occupied.
        var generation: UInt32 = 0
    }

    private var places: ContiguousArray<Place> = []
    private var free: [Int] = []
    private let vacant: Element

    init(vacant: Element) {
        self.vacant = vacant
    }

    var count: Int { self.places.count - self.free.count }

    /// Indices in use, ascending.
    var indices: [Int] { self.places.indices.filter { self.places[$0].generation % 2 == 1 } }

    mutating func insert(_ element: Element) -> Int {
        if let index = self.free.popLast() {
            self.places[index].element = element
            self.places[index].generation &+= 1
            return index
        }
        self.places.append(Place(element: element, generation: 1))
        return self.places.count - 1
    }

    mutating func remove(_ index: Int) {
        precondition(self.places[index].generation % 2 == 1, "a place is freed once")
        self.places[index].element = self.vacant
        self.places[index].generation &+= 1
        self.free.append(index)
    }

    func generation(of index: Int) -> UInt32 { self.places[index].generation }

    func isOccupied(_ index: Int, generation: UInt32) -> Bool {
        index < self.places.count && self.places[index].generation == generation && generation % 2 == 1
    }

    subscript(index: Int) -> Element {
        _read { yield self.places[index].element }
        _modify { yield &self.places[index].element }
    }
}
