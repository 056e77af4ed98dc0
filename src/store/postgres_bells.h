#pragma once
// Bells over LISTEN and NOTIFY, on a connection and a thread of their own: no write waits for them, and none fails with
// them.

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "store/bells.h"

struct pg_conn;

namespace slipway::store {

// Connects when somebody first listens or rings, and again for as long as it lives; each time, who listens is told that
// bells may have been missed.
class PostgresBells {
 public:
  explicit PostgresBells(std::string url);
  ~PostgresBells();
  PostgresBells(const PostgresBells&) = delete;
  PostgresBells& operator=(const PostgresBells&) = delete;

  // See Database.
  std::unique_ptr<Listening> listen(std::string channel, Bell bell);
  void ring(std::string_view channel, std::string_view word);
  // False when the server does not know how: then all here is silent.
  bool has_bells() const { return has_bells_; }

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  using Connection = std::unique_ptr<pg_conn, Close>;

  void run();
  void serve(Connection& connection);
  bool has_something_to_do();
  bool connect(Connection& connection);
  bool listen_to_new_channels(pg_conn* connection);
  bool send_rung(pg_conn* connection);
  bool execute(pg_conn* connection, const std::string& sql, const std::vector<std::string>& parameters = {});
  bool hear(pg_conn* connection);
  void wait(int socket, short events, base::Duration at_most);
  bool is_stopping() const { return stopping_; }

  const std::string url_;
  Listeners listeners_;
  const base::UniqueFd wake_;  // an eventfd
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> has_bells_ = true;
  std::mutex mutex_;
  RungBells rung_;                  // guarded by mutex_
  std::set<std::string> heard_of_;  // the thread's own: channels that the connection listens to
  std::thread thread_;
};

}  // namespace slipway::store
