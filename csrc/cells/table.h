/* The cells that exist: X(name, gates, states, saves_gates). A new cell is a line here and a header
 * beside this one that defines <name>_forward and <name>_backward. */
#ifndef FASTRNN_CELLS_TABLE_H
#define FASTRNN_CELLS_TABLE_H

#define FR_CELLS(X)         \
    X(rnn_tanh, 1, 1, 0)    \
    X(rnn_sigmoid, 1, 1, 0) \
    X(rnn_relu, 1, 1, 0)    \
    X(lstm, 4, 2, 1)

#endif
