#include "CMosquittoLoad.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CORRELATION_BYTES = 16 };

struct cload {
    struct mosquitto *caller;
    struct mosquitto *instance;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int subscribed;
    /// Of the run: what is wanted, what was sent, what has come back or arrived.
    int wanted;
    int sent;
    int arrived;
    /// How many it must be before somebody who waits wants to know.
    int goal;
};

static void request(struct cload *load) {
    char correlation[CORRELATION_BYTES] = {0};
    int number = load->sent++;
    memcpy(correlation, &number, sizeof number);
    mosquitto_property *properties = NULL;
    mosquitto_property_add_int32(&properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, 10);
    mosquitto_property_add_string(&properties, MQTT_PROP_RESPONSE_TOPIC, "fc/_reply/load-caller");
    mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, correlation, CORRELATION_BYTES);
    mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "fc-ttl-ms", "10000");
    mosquitto_publish_v5(load->caller, NULL, "fc/load/bare/req", 5, "hello", 1, false, properties);
    mosquitto_property_free_all(&properties);
}

static void answer(struct mosquitto *client, const struct mosquitto_message *message, const mosquitto_property *of) {
    char *topic = NULL;
    void *correlation = NULL;
    uint16_t length = 0;
    mosquitto_property_read_string(of, MQTT_PROP_RESPONSE_TOPIC, &topic, false);
    mosquitto_property_read_binary(of, MQTT_PROP_CORRELATION_DATA, &correlation, &length, false);
    mosquitto_property *properties = NULL;
    mosquitto_property_add_int32(&properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, 10);
    mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, correlation, length);
    mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "__stat", "200");
    mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "fc-exec", "yes");
    mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "fc-by", "host");
    mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "fc-instance", "load-instance");
    mosquitto_publish_v5(client, NULL, topic, message->payloadlen, message->payload, 1, false, properties);
    mosquitto_property_free_all(&properties);
    free(topic);
    free(correlation);
}

static void arrive(struct cload *load) {
    pthread_mutex_lock(&load->lock);
    load->arrived++;
    if (load->arrived == load->goal) pthread_cond_signal(&load->changed);
    pthread_mutex_unlock(&load->lock);
}

static void on_caller_message(
    struct mosquitto *client, void *user, const struct mosquitto_message *message, const mosquitto_property *of) {
    (void)client, (void)message, (void)of;
    struct cload *load = user;
    pthread_mutex_lock(&load->lock);
    if (load->sent < load->wanted) request(load);
    pthread_mutex_unlock(&load->lock);
    arrive(load);
}

static void on_instance_message(
    struct mosquitto *client, void *user, const struct mosquitto_message *message, const mosquitto_property *of) {
    if (strncmp(message->topic, "fc/", 3) == 0) {
        answer(client, message, of);
    } else {
        arrive(user);
    }
}

static void on_connect(struct mosquitto *client, void *user, int code, int flags, const mosquitto_property *of) {
    (void)flags, (void)of;
    struct cload *load = user;
    if (code) return;
    if (client == load->caller) {
        mosquitto_subscribe(client, NULL, "fc/_reply/load-caller/#", 1);
    } else {
        mosquitto_subscribe(client, NULL, "load/bare", 1);
        mosquitto_subscribe(client, NULL, "$share/fc/fc/load/bare/req/#", 1);
    }
}

static void on_subscribe(
    struct mosquitto *client, void *user, int identifier, int count, const int *codes, const mosquitto_property *of) {
    (void)client, (void)identifier, (void)count, (void)codes, (void)of;
    struct cload *load = user;
    pthread_mutex_lock(&load->lock);
    load->subscribed++;
    pthread_cond_signal(&load->changed);
    pthread_mutex_unlock(&load->lock);
}

/// Waits until a count has reached a number; whether it has within the seconds.
static int wait_for(struct cload *load, int *count, int number, int seconds) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += seconds;
    int result = 0;
    pthread_mutex_lock(&load->lock);
    load->goal = number;
    while (*count < number && result == 0) result = pthread_cond_timedwait(&load->changed, &load->lock, &limit);
    pthread_mutex_unlock(&load->lock);
    return result == 0;
}

static struct mosquitto *client_of(struct cload *load, const char *name) {
    struct mosquitto *client = mosquitto_new(name, true, load);
    if (!client) return NULL;
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_max_inflight_messages_set(client, 1000);
    mosquitto_connect_v5_callback_set(client, on_connect);
    mosquitto_subscribe_v5_callback_set(client, on_subscribe);
    return client;
}

static int begin(struct mosquitto *client, int port) {
    return mosquitto_connect_bind_v5(client, "127.0.0.1", port, 30, NULL, NULL) == 0 && mosquitto_loop_start(client) == 0;
}

cload *cload_open(int port) {
    if (mosquitto_lib_init() != 0) return NULL;
    struct cload *load = calloc(1, sizeof *load);
    if (!load) return NULL;
    pthread_mutex_init(&load->lock, NULL);
    pthread_cond_init(&load->changed, NULL);
    load->caller = client_of(load, "load-caller");
    load->instance = client_of(load, "load-instance");
    if (load->caller && load->instance) {
        mosquitto_message_v5_callback_set(load->caller, on_caller_message);
        mosquitto_message_v5_callback_set(load->instance, on_instance_message);
        if (begin(load->caller, port) && begin(load->instance, port) && wait_for(load, &load->subscribed, 3, 10))
            return load;
    }
    cload_close(load);
    return NULL;
}

static void reset(struct cload *load, int count) {
    load->wanted = count;
    load->sent = load->arrived = 0;
}

int cload_calls(cload *load, int count, int window) {
    reset(load, count);
    int first = count < window ? count : window;
    // Held until the whole window is sent: the answers send what follows, from another thread.
    pthread_mutex_lock(&load->lock);
    for (int number = 0; number < first; number++) request(load);
    pthread_mutex_unlock(&load->lock);
    return wait_for(load, &load->arrived, count, 120);
}

int cload_messages(cload *load, int count, int burst) {
    reset(load, count);
    while (load->sent < count) {
        int next = count - load->sent < burst ? count - load->sent : burst;
        load->sent += next;
        for (int number = 0; number < next; number++)
            mosquitto_publish_v5(load->caller, NULL, "load/bare", 5, "hello", 0, false, NULL);
        if (!wait_for(load, &load->arrived, load->sent, 120)) return 0;
    }
    return 1;
}

void cload_close(cload *load) {
    struct mosquitto *clients[] = {load->caller, load->instance};
    for (int number = 0; number < 2; number++) {
        if (!clients[number]) continue;
        mosquitto_disconnect(clients[number]);
        mosquitto_loop_stop(clients[number], false);
        mosquitto_destroy(clients[number]);
    }
    free(load);
}
