"""What a handler hears when nobody waits for it any more."""


class CallCancelled(BaseException):
    """Raised in the thread of a handler when its caller gave up or its deadline passed.

    No Exception, so that code which catches those goes on to its end all the same. What a handler does on its way
    out is its own business, for two seconds; then its worker is ended.
    """
