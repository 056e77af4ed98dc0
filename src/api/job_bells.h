#pragma once
// Wakes calls that wait for something about jobs: daemons for work and for cancels, readers for log lines; whichever
// replica it happened on. For the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/asio.h"
#include "store/store.h"

namespace slipway::api {

class JobBells {
 public:
  JobBells(net::IoContext& io, store::Database& database);

  // Kept by whoever waits. What is rung between a look and the wait for more is not missed:
  //
  //   const auto heard = bell->rung();
  //   … look …
  //   co_await bell->wait_for_more(heard, patience);
  class Bell {
   public:
    explicit Bell(net::IoContext& io) : signal_(io) {}
    std::uint64_t rung() const { return rung_; }
    net::Awaitable<void> wait_for_more(std::uint64_t heard, base::Duration patience);
    void ring();

   private:
    net::Signal signal_;
    std::uint64_t rung_ = 0;
  };
  // `word`: fleet::kBellQueue, fleet::kBellCancels, or a job's id.
  std::shared_ptr<Bell> bell(const std::string& word);

  // Here at once, and on every other replica.
  void ring(const std::string& word);
  void ring_all();
  // Called when a job has ended, on whichever replica: its run may be ours, and has been sent a signal.
  void on_end(std::function<void()> callback) { on_end_ = std::move(callback); }

 private:
  void hear(const std::string& word);
  void ring_here(const std::string& word);

  net::IoContext& io_;
  store::Database& database_;
  std::map<std::string, std::weak_ptr<Bell>> bells_;
  std::function<void()> on_end_;
  std::shared_ptr<JobBells*> self_;  // a bell that is heard late holds it weakly
  std::unique_ptr<store::Listening> listening_;
};

}  // namespace slipway::api
