#pragma once

/// A caller and an echo function on libmosquitto alone: what a C program does for a call or a message, without a
/// wrapper. Everything is answered inside the callbacks.
typedef struct cload cload;

/// Connects both to a broker on loopback and subscribes; null when that takes longer than ten seconds.
cload *cload_open(int port);

/// Makes calls, as many at a time as the window says; whether all were answered within two minutes.
int cload_calls(cload *load, int count, int window);

/// Publishes messages of QoS 0 and receives them, in bursts that wait for their arrival; whether all arrived within two
/// minutes each.
int cload_messages(cload *load, int count, int burst);

/// Disconnects both.
void cload_close(cload *load);
