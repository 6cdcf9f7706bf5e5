/*
 * A backend that costs as little as one can: answers every A query with one A record, any other query with an empty
 * answer, in batches of 64. Echoes id, RD, question and an OPT. Names under storm.test have a TTL of 2 s.
 *   answer PORT TTL COUNTERS
 * COUNTERS is a file of four 64-bit numbers, queries so far: answered at once; heard for xxxxxxxx.bench.test; for
 * names under storm.test; for others, which are health checks.
 *
 * It falls ill when a datagram tells it to: "fault KIND PERCENT MS [storm]". PERCENT of the queries, chosen at random,
 * or with the last word of those for names under storm.test, meet the fault; MS is how slow `slow` is. The answer is
 * "ok NANOSECONDS", the time at which it began.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 64, room = 2048, socket_buffer = 4 << 20, most_slow = 1 << 14, slow_room = 512, storm_ttl = 2 };
enum fault { none, silent, servfail, refused, wrongid, garbage, nxdomain, slow, faults };
enum counter { answered, bench_names, storm_names, other_names, counters };

static const char *const fault_names[faults] = {"none",    "silent",  "servfail", "refused",
                                                "wrongid", "garbage", "nxdomain", "slow"};
static uint8_t packets[batch][room];
static struct sockaddr_in6 from[batch];
static struct iovec vectors[batch];
static struct mmsghdr messages[batch], replies[batch];
static volatile uint64_t *count;
static uint32_t ttl;

/* The fault in force: of all queries, this share of 2^32. */
static enum fault sick;
static uint64_t share;
static int64_t delay;
static int storm_only;

/* Answers that wait until their time has come, oldest first. */
static struct slow_answer {
  int64_t due;
  struct sockaddr_in6 to;
  int length;
  uint8_t bytes[slow_room];
} waiting[most_slow];
static uint32_t first_waiting, last_waiting;

static int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint32_t chance(void) {
  static uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  return state ^= state << 5;
}

/* Takes an order; gives the length of what to say about it. */
static int obey(char *text, int length) {
  char kind[16] = "", where[16] = "";
  double percent = 100, ms = 0;
  int found = none;
  text[length] = 0;
  sscanf(text, "fault %15s %lf %lf %15s", kind, &percent, &ms, where);
  while (found < faults && strcmp(kind, fault_names[found])) found++;
  if (found == faults) return sprintf(text, "no fault %s", kind);
  sick = found;
  share = percent / 100 * 4294967296.0;
  delay = ms * 1e6;
  storm_only = !strcmp(where, "storm");
  return sprintf(text, "ok %lld", (long long)nanoseconds());
}

static void answer_later(const uint8_t *p, int length, const struct sockaddr_in6 *to) {
  if (last_waiting - first_waiting == most_slow || length > slow_room) return;
  struct slow_answer *mine = &waiting[last_waiting++ % most_slow];
  mine->due = nanoseconds() + delay;
  mine->to = *to;
  mine->length = length;
  memcpy(mine->bytes, p, length);
}

/* Sends what is due, after having slept until then or until a query comes. */
static void send_waiting(int fd) {
  int64_t wait = waiting[first_waiting % most_slow].due - nanoseconds();
  if (wait > 0) {
    struct pollfd one = {fd, POLLIN, 0};
    struct timespec timeout = {wait / 1000000000, wait % 1000000000};
    ppoll(&one, 1, &timeout, NULL);
  }
  int64_t now = nanoseconds();
  for (; first_waiting != last_waiting; first_waiting++) {
    struct slow_answer *next = &waiting[first_waiting % most_slow];
    if (next->due > now) return;
    sendto(fd, next->bytes, next->length, 0, (struct sockaddr *)&next->to, sizeof(struct sockaddr_in));
  }
}

/* Turns the query of `length` bytes into its answer in place; gives the answer's length, 0 for silence. */
static int answer(uint8_t *p, int length, const struct sockaddr_in6 *to) {
  static const uint8_t bench[] = "\5bench\4test", storm[] = "\5storm\4test";
  if (length > 6 && !memcmp(p, "fault ", 6)) return obey((char *)p, length);
  if (length < 17 || (p[2] & 0x80) || p[4] || p[5] != 1) return 0;
  int at = 12;
  while (at < length && p[at]) at += p[at] + 1;
  at += 5;
  if (at > length) return 0;
  const uint8_t *end = p + at - 4 - sizeof bench;
  int is_storm = at >= 12 + (int)sizeof storm + 4 && !memcmp(end, storm, sizeof storm);
  int is_bench = at == 12 + 9 + (int)sizeof bench + 4 && p[12] == 8 && !memcmp(end, bench, sizeof bench);
  count[is_storm ? storm_names : is_bench ? bench_names : other_names]++;
  enum fault now = sick && (is_storm || !storm_only) && chance() < share ? sick : none;
  if (now == silent) return 0;
  if (now == garbage) {
    memset(p + 2, 0xc0, 62);
    return 64;
  }
  int rcode = now == servfail ? 2 : now == refused ? 5 : now == nxdomain ? 3 : 0;
  int is_a = !rcode && p[at - 4] == 0 && p[at - 3] == 1;
  int has_opt = length >= at + 11 && p[11] == 1 && p[at] == 0 && p[at + 1] == 0 && p[at + 2] == 41;
  uint8_t do_bit = has_opt ? p[at + 7] & 0x80 : 0;
  if (now == wrongid) p[0] ^= 0x55;
  p[2] = 0x80 | (p[2] & 0x79);
  p[3] = 0x80 | (p[3] & 0x10) | rcode;
  memset(p + 6, 0, 6);
  p[7] = is_a;
  p[9] = now == nxdomain;
  p[11] = has_opt;
  if (is_a) {
    uint32_t keep = is_storm ? storm_ttl : ttl;
    uint8_t record[16] = {0xc0, 12, 0, 1, 0, 1, keep >> 24, keep >> 16, keep >> 8, keep, 0, 4, 192, 0, 2, 1};
    memcpy(p + at, record, 16);
    at += 16;
  }
  if (now == nxdomain) {
    /* The root's SOA, with a negative TTL of 60 s: as good a lie as any. */
    uint8_t soa[33] = {0, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22};
    soa[16] = 1, soa[32] = 60;
    memcpy(p + at, soa, 33);
    at += 33;
  }
  if (has_opt) {
    uint8_t opt[11] = {0, 0, 41, 0x04, 0xd0, 0, 0, do_bit, 0, 0, 0};
    memcpy(p + at, opt, 11);
    at += 11;
  }
  if (now == slow) {
    answer_later(p, at, to);
    return 0;
  }
  return at;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: answer PORT TTL COUNTERS\n");
    return 64;
  }
  ttl = strtoul(argv[2], NULL, 10);
  int file = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || ftruncate(file, counters * 8)) {
    perror(argv[3]);
    return 1;
  }
  count = mmap(NULL, counters * 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = socket_buffer;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (count == MAP_FAILED || bind(fd, (struct sockaddr *)&at, sizeof at)) {
    perror("bind");
    return 1;
  }
  for (int i = 0; i < batch; i++) {
    vectors[i].iov_base = packets[i];
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &from[i];
  }
  for (;;) {
    for (int i = 0; i < batch; i++) {
      vectors[i].iov_len = room - 64;
      messages[i].msg_hdr.msg_namelen = sizeof from[i];
    }
    int slowly = first_waiting != last_waiting;
    if (slowly) send_waiting(fd);
    int got = recvmmsg(fd, messages, batch, slowly ? MSG_DONTWAIT : MSG_WAITFORONE, NULL), ready = 0;
    for (int i = 0; i < got; i++) {
      int length = answer(packets[i], messages[i].msg_len, &from[i]);
      if (!length) continue;
      vectors[i].iov_len = length;
      replies[ready++] = messages[i];
    }
    for (int sent = 0; sent < ready;) {
      int now = sendmmsg(fd, replies + sent, ready - sent, 0);
      sent += now > 0 ? now : 1;
    }
    count[answered] += ready;
  }
}
