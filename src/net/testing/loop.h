#pragma once
// Running coroutines and servers in tests.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "net/asio.h"
#include "net/server.h"

namespace slipway::net::testing {

// Runs the loop on this thread until the coroutine ends; gives its result or throws what it threw.
template <class T>
T run(IoContext& io, Awaitable<T> task) {
  std::exception_ptr failure;
  std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> result;
  bool done = false;
  auto finish = [&](std::exception_ptr thrown, auto... value) {
    failure = thrown;
    if (!failure) result.emplace(std::move(value)...);
    done = true;
  };
  boost::asio::co_spawn(io.get_executor(), std::move(task), finish);
  io.restart();
  while (!done && io.run_one() > 0) {
  }
  if (!done) throw std::logic_error("the loop has nothing left to do, but the coroutine waits");
  if (failure) std::rethrow_exception(failure);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// A loop on a thread of its own.
class LoopThread {
 public:
  LoopThread() : guard_(io_.get_executor()), thread_([this] { io_.run(); }) {}
  ~LoopThread() { stop(); }

  IoContext& io() { return io_; }
  // Runs `function` on the loop and gives its result.
  template <class F>
  std::invoke_result_t<F> call(F function) {
    std::packaged_task<std::invoke_result_t<F>()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }
  // Runs a coroutine on the loop and waits for it.
  template <class T>
  T await(Awaitable<T> task) {
    std::promise<T> promise;
    auto finish = [&promise](std::exception_ptr thrown, auto... value) {
      if (thrown) {
        promise.set_exception(thrown);
      } else {
        promise.set_value(std::move(value)...);
      }
    };
    boost::asio::co_spawn(io_.get_executor(), std::move(task), finish);
    return promise.get_future().get();
  }
  void stop() {
    guard_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  IoContext io_{1};
  boost::asio::executor_work_guard<Executor> guard_;
  std::thread thread_;
};

// A server on 127.0.0.1 with its own loop; drained at the end.
class ServerThread {
 public:
  explicit ServerThread(Handler handler, ServerLimits limits = {}, ServerHooks hooks = {}) {
    loop_.call([&] {
      server_ = std::make_unique<Server>(loop_.io(), limits, std::move(handler), std::move(hooks));
      port_ = server_->listen_tcp("127.0.0.1", 0);
    });
  }
  ~ServerThread() {
    drain(std::chrono::seconds(0));
    loop_.call([&] { server_.reset(); });
  }

  LoopThread& loop() { return loop_; }
  Server& server() { return *server_; }  // only inside loop().call
  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::string ws_url(const std::string& path) const { return "ws://127.0.0.1:" + std::to_string(port_) + path; }
  ServerStatistics statistics() {
    return loop_.call([&] { return server_->statistics(); });
  }
  // Until `condition(statistics)` holds; gives up, and says so, after a time that only a fault can take.
  template <class Condition>
  bool wait_until(Condition condition) {
    for (int i = 0; i < 12'000; ++i) {
      if (condition(statistics())) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  void drain(base::Duration patience) { loop_.await(server_->drain(patience)); }

 private:
  LoopThread loop_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
};

}  // namespace slipway::net::testing
