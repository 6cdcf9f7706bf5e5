/*
 * N queries at once from many sockets, then some time to gather the answers: how many are lost?
 *   burst -p PORT -n QUERIES [-m NAMES] [-s SOCKETS] [-g GATHER_MS]
 */
#include "query.h"

enum { most_sockets = 64, ids = 65536 };

static int fds[most_sockets];
static struct pollfd polls[most_sockets];
static uint8_t waiting[most_sockets][ids];

int main(int argc, char **argv) {
  int port = 0, queries = 1000, sockets = 64, names = 10000, gather = 1500, option;
  while ((option = getopt(argc, argv, "p:n:m:s:g:")) != -1) switch (option) {
      case 'p': port = atoi(optarg); break;
      case 'n': queries = atoi(optarg); break;
      case 'm': names = atoi(optarg); break;
      case 's': sockets = atoi(optarg); break;
      case 'g': gather = atoi(optarg); break;
      default: return 64;
    }
  if (!port || sockets < 1 || sockets > most_sockets || queries > sockets * ids) return 64;
  for (int s = 0; s < sockets; s++) {
    fds[s] = connected(port);
    polls[s] = (struct pollfd){fds[s], POLLIN, 0};
  }
  uint8_t(*packets)[query_bytes] = malloc((size_t)queries * query_bytes);
  for (int i = 0; i < queries; i++) write_query(packets[i], i / sockets, i % names);
  int64_t start = nanoseconds();
  /* Each socket in turn, as a crowd of clients would. */
  for (int i = 0; i < queries; i++) {
    waiting[i % sockets][i / sockets] = 1;
    send(fds[i % sockets], packets[i], query_bytes, 0);
  }
  int64_t sent = nanoseconds(), last = sent + gather * 1000000LL, now, finished = sent;
  int answered = 0;
  uint8_t packet[2048];
  while (answered < queries && (now = nanoseconds()) < last) {
    if (poll(polls, sockets, (last - now) / 1000000 + 1) < 1) continue;
    for (int s = 0; s < sockets; s++) {
      if (!(polls[s].revents & POLLIN)) continue;
      for (;;) {
        ssize_t length = recv(fds[s], packet, sizeof packet, 0);
        if (length < 0 && errno == EAGAIN) break;
        if (length < 12) break;
        uint8_t *mine = &waiting[s][packet[0] << 8 | packet[1]];
        answered += *mine;
        *mine = 0;
      }
    }
    finished = nanoseconds();
  }
  printf("{\"sent\":%d,\"answered\":%d,\"sending\":%.1f,\"taking\":%.1f}\n", queries, answered, (sent - start) / 1e6,
         (finished - start) / 1e6);
  return 0;
}
