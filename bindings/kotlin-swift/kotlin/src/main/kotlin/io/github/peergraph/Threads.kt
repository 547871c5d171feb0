package io.github.peergraph

import com.sun.jna.Callback
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native

/**
 * The library's threads stay known to the virtual machine once they have called into it: to introduce and dismiss them for each
 * call takes longer than most calls. They are daemons, and leave when they end.
 */
internal object Threads {
    init {
        val known = CallbackThreadInitializer(true, false, "peergraph")
        val callbacks: List<Callback> = listOf(
            uniffiRustFutureContinuationCallbackImpl,
            uniffiCallbackInterfaceWakeListener.wake,
            uniffiCallbackInterfaceWakeListener.uniffiFree,
            uniffiCallbackInterfaceHopListener.hop,
            uniffiCallbackInterfaceHopListener.uniffiFree,
            uniffiCallbackInterfaceProgressListener.progress,
            uniffiCallbackInterfaceProgressListener.uniffiFree,
        )
        for (callback in callbacks) Native.setCallbackThreadInitializer(callback, known)
    }

    /** From here on. */
    fun keep() {}
}
