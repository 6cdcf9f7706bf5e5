/*
 * A client that keeps to a schedule (open loop) or keeps a window full (closed loop), and names its queries itself, so
 * that names need no file and can go on for ever.
 *   pace -p PORT -l SECONDS [-r RATE | -w WINDOW] [-n NAMES] [-f FIRST] [-s SOCKETS] [-z ZONE] [-x] [-e EVERY:FROM]
 *        [-g SECONDS] [-b MS]
 * NAMES 0: every query asks a new name, from number FIRST on; else FIRST … FIRST+NAMES-1 in turn. -x: numbers look
 * random. -e: each EVERY-th query asks a name that is new instead, from number FROM on. ZONE has five letters.
 *
 * Every name exists: an answer is good when its code is NOERROR, its question ours and its first record 192.0.2.1.
 * `failed` counts other codes, `wrong` NOERROR with other content, `unexpected` what nobody asked or had been answered.
 * With -b, what is due is sent and what has come is read only every so many ms, which is cheap at high rates; latencies
 * still count to the kernel's time stamps. With -g, what is not answered so long after it was due is lost, and has a latency of that length.
 *
 * Open loop: query i is due at start + i/RATE whatever happened to the ones before it, and its latency counts from
 * when it was due to when the kernel took in the answer. A server that stalls therefore cannot stop the clock, and
 * what this client itself is late by is part of the figure, and reported as "late" beside it; "service" counts from when a
 * query was sent, and so leaves that out.
 */
#include "query.h"

enum { most_sockets = 64, ids = 65536, fine = 200000, coarse = 20000 };

static int fds[most_sockets];
static struct pollfd polls[most_sockets];
static int64_t *due;            /* by socket * ids + id: when the query was due, 0: nobody waits */
static int64_t *left;           /* by the same: when it was sent */
static uint32_t *asked;         /* by the same: the number of the name */
static uint32_t latency[fine + coarse + 1], lateness[fine + coarse + 1], service[fine + coarse + 1];
static uint64_t sent, received, failed, wrong, unexpected, slow, codes[16];
static int sockets = 8, names, window = 200, scrambled, fresh_every;
static uint32_t first, fresh_from;
static int64_t interval;        /* ns between two looks at the clock and the sockets; 0: as soon as there is something */
static int64_t patience;        /* ns; 0: 2 s after the end, and nothing is too late before it */
static uint64_t in_flight;

/* Buckets of 1 µs up to 0.2 s, then of 1 ms. */
static void count(uint32_t *histogram, int64_t ns) {
  int64_t us = ns < 0 ? 0 : ns / 1000, bucket = us < fine ? us : fine + us / 1000;
  histogram[bucket < fine + coarse ? bucket : fine + coarse]++;
}

static double percentile(const uint32_t *histogram, double share) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i <= fine + coarse; i++) total += histogram[i];
  for (int i = 0; i <= fine + coarse; i++)
    if ((seen += histogram[i]) > 0 && seen >= share * total) return i < fine ? i : (i - fine) * 1000.0;
  return 0;
}

/* The number of the name that query `query` asks. */
static uint32_t name_of(uint64_t query) {
  if (fresh_every && query % fresh_every == 0) return fresh_from + query / fresh_every;
  uint32_t number = first + (uint32_t)(names ? query % names : query);
  return scrambled ? number * 2654435761u : number;
}

/* Whether an answer repeats the question of name `number` and begins with the address that each name has. */
static int is_right(const uint8_t *p, int length, uint32_t number) {
  uint8_t query[query_bytes];
  write_query(query, 0, number);
  if (length < query_bytes || memcmp(p + 12, query + 12, query_bytes - 12) || !p[7]) return 0;
  int at = query_bytes;
  while (at < length && p[at] && p[at] < 0xc0) at += p[at] + 1;
  if (at >= length) return 0;
  at += p[at] ? 2 : 1;
  static const uint8_t type[4] = {0, 1, 0, 1}, data[6] = {0, 4, 192, 0, 2, 1};
  return at + 14 <= length && !memcmp(p + at, type, 4) && !memcmp(p + at + 8, data, 6);
}

/* Takes in what waits on every socket. */
static void receive(void) {
  static uint8_t packets[batch][2048], control[batch][64];
  struct mmsghdr messages[batch];
  struct iovec vectors[batch];
  for (int s = 0; s < sockets; s++) {
    if (!(polls[s].revents & POLLIN)) continue;
    int got;
    do {
      for (int i = 0; i < batch; i++) {
        vectors[i] = (struct iovec){packets[i], sizeof packets[i]};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
      }
      got = recvmmsg(fds[s], messages, batch, 0, NULL);
      for (int i = 0; i < got; i++) {
        if (messages[i].msg_len < 12) continue;
        int place = s * ids + (packets[i][0] << 8 | packets[i][1]);
        int64_t *when = &due[place], arrived = arrival(&messages[i].msg_hdr), took = arrived - *when;
        if (!*when || !(packets[i][2] & 0x80)) {
          unexpected++;
          continue;
        }
        if (patience && took > patience) continue;
        count(latency, took);
        count(service, arrived - left[place]);
        slow += took > 1000000000;
        *when = 0;
        received++;
        if (in_flight) in_flight--;
        int code = packets[i][3] & 15;
        codes[code]++;
        if (code) failed++;
        else if (!is_right(packets[i], messages[i].msg_len, asked[place])) wrong++;
      }
    } while (got == batch);
  }
}

/* Sends up to `number` queries on one socket, the i-th due at when + i * gap. */
static void send_some(int number, int64_t when, int64_t gap, int64_t now) {
  static uint8_t packets[batch][query_bytes];
  struct mmsghdr messages[batch] = {0};
  struct iovec vectors[batch];
  int s = (sent / batch) % sockets;
  /* One socket for each run of 64 queries, so that ids stay in step with the count. */
  if (number > (int)(batch - sent % batch)) number = batch - sent % batch;
  for (int i = 0; i < number; i++) {
    uint64_t query = sent + i;
    uint16_t id = query / batch / sockets * batch + query % batch;
    int64_t *mine = &due[s * ids + id];
    if (*mine && in_flight) in_flight--;
    *mine = when + i * gap;
    left[s * ids + id] = now;
    count(lateness, now - *mine);
    write_query(packets[i], id, asked[s * ids + id] = name_of(query));
    vectors[i] = (struct iovec){packets[i], query_bytes};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (int done = 0; done < number;) {
    int went = sendmmsg(fds[s], messages + done, number - done, 0);
    /* A refusal is of a packet before; this one has not been sent. */
    done += went > 0 ? went : errno == ECONNREFUSED ? 0 : 1;
  }
  sent += number;
  in_flight += number;
}

int main(int argc, char **argv) {
  int port = 0, rate = 0, option;
  double seconds = 1;
  while ((option = getopt(argc, argv, "p:l:r:w:n:f:s:z:xe:g:b:")) != -1) switch (option) {
      case 'p': port = atoi(optarg); break;
      case 'l': seconds = atof(optarg); break;
      case 'r': rate = atoi(optarg); break;
      case 'w': window = atoi(optarg); break;
      case 'n': names = atoi(optarg); break;
      case 'f': first = strtoul(optarg, NULL, 10); break;
      case 's': sockets = atoi(optarg); break;
      case 'z': zone = optarg; break;
      case 'x': scrambled = 1; break;
      case 'e':
        if (sscanf(optarg, "%d:%u", &fresh_every, &fresh_from) != 2) return 64;
        break;
      case 'b': interval = atof(optarg) * 1e6; break;
      case 'g': patience = atof(optarg) * 1e9; break;
      default: return 64;
    }
  if (!port || strlen(zone) != zone_letters || sockets < 1 || sockets > most_sockets) return 64;
  prctl(PR_SET_TIMERSLACK, 1);
  due = calloc((size_t)sockets * ids, sizeof *due);
  left = calloc((size_t)sockets * ids, sizeof *left);
  asked = calloc((size_t)sockets * ids, sizeof *asked);
  for (int s = 0; s < sockets; s++) {
    int on = 1;
    fds[s] = connected(port);
    setsockopt(fds[s], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    polls[s] = (struct pollfd){fds[s], POLLIN, 0};
  }
  int64_t start = nanoseconds(), end = start + (int64_t)(seconds * 1e9), gap = rate ? 1000000000LL / rate : 0;
  int64_t quiet = start;
  uint64_t all = rate ? seconds * rate + 0.5 : UINT64_MAX;
  for (;;) {
    int64_t now = nanoseconds(), wait;
    if (rate ? sent >= all : now >= end) break;
    uint64_t before = received;
    if (rate) {
      int64_t next = start + sent * gap;
      while (next <= now && sent < all) {
        int64_t number = (now - next) / gap + 1;
        if (number > (int64_t)(all - sent)) number = all - sent;
        send_some(number > batch ? batch : number, next, gap, now);
        next = start + sent * gap;
        now = nanoseconds();
      }
      wait = next - now;
    } else {
      while (in_flight < (uint64_t)window) send_some(window - in_flight, now, 0, now);
      wait = 100000000;
    }
    if (interval) {
      struct timespec timeout = {interval / 1000000000, interval % 1000000000};
      nanosleep(&timeout, NULL);
      poll(polls, sockets, 0);
    } else if (wait > 0) {
      if (!rate && wait > end - now) wait = end - now;
      struct timespec timeout = {wait / 1000000000, wait % 1000000000};
      ppoll(polls, sockets, &timeout, NULL);
    } else {
      poll(polls, sockets, 0);
    }
    receive();
    if (received != before) quiet = now;
    else if (!rate && now - quiet > 1000000000) in_flight = 0, quiet = now;
  }
  /* What is still on its way may come for 2 s, or as long as somebody waits for it. */
  int64_t last = nanoseconds() + (patience ? patience : 2000000000);
  while (received < sent && nanoseconds() < last && poll(polls, sockets, 100) >= 0) receive();
  if (patience)
    for (uint64_t lost = received; lost < sent; lost++) count(latency, patience);
  printf("{\"start\":%lld,\"sent\":%llu,\"received\":%llu,\"failed\":%llu,\"wrong\":%llu,\"unexpected\":%llu,\"slow\":%llu,"
         "\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%.0f,\"late99\":%.0f,\"late999\":%.0f,\"service999\":%.0f,\"codes\":[",
         (long long)start, (unsigned long long)sent, (unsigned long long)received, (unsigned long long)failed,
         (unsigned long long)wrong, (unsigned long long)unexpected, (unsigned long long)slow, percentile(latency, 0.5),
         percentile(latency, 0.99), percentile(latency, 0.999), percentile(latency, 1), percentile(lateness, 0.99),
         percentile(lateness, 0.999), percentile(service, 0.999));
  for (int i = 0; i < 16; i++) printf("%s%llu", i ? "," : "", (unsigned long long)codes[i]);
  printf("]}\n");
  return 0;
}
