/* The cells that exist. A new cell is a line here and a header beside this one that defines <name>_forward and
 * <name>_backward (for a cell of two phases with _1 and _2 behind), see epilogue.h.
 *
 * A unit's pre-activations stand in `slots`: as many as gates, and more where a gate keeps the input's part and the
 * recurrent part apart. WINDOW(first, gates...) says which slots a multiply adds to: slot first + i takes the rows
 * of gate i of the list. x is multiplied once; a cell of two phases multiplies recurrently twice, first h_{t-1}, then
 * what its first phase left.
 *
 * X(name, gates, states, slots, saves, phases, window of x, window of h, window of the second phase)
 */
#ifndef FASTRNN_CELLS_TABLE_H
#define FASTRNN_CELLS_TABLE_H

#define WINDOW(first, ...)                                                 \
    {                                                                      \
        first, sizeof((int[]){__VA_ARGS__}) / sizeof(int), { __VA_ARGS__ } \
    }
#define NO_WINDOW {0, 0, {0}}

#define FR_CELLS(X)                                                                 \
    X(rnn_tanh, 1, 1, 1, 0, 1, WINDOW(0, 0), WINDOW(0, 0), NO_WINDOW)               \
    X(rnn_sigmoid, 1, 1, 1, 0, 1, WINDOW(0, 0), WINDOW(0, 0), NO_WINDOW)            \
    X(rnn_relu, 1, 1, 1, 0, 1, WINDOW(0, 0), WINDOW(0, 0), NO_WINDOW)               \
    X(lstm, 4, 2, 4, 4, 1, WINDOW(0, 0, 1, 2, 3), WINDOW(0, 0, 1, 2, 3), NO_WINDOW) \
    X(gru, 3, 1, 4, 4, 1, WINDOW(0, 2, 0, 1), WINDOW(1, 0, 1, 2), NO_WINDOW)        \
    X(gru_before, 3, 1, 3, 3, 2, WINDOW(0, 2, 1, 0), WINDOW(1, 1, 0), WINDOW(0, 2))

#endif
