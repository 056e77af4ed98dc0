#include "store/reader_pool.h"

#include "store/errors.h"
#include "store/guarded_transaction.h"

namespace slipway::store {

ReaderPool::ReaderPool(ConnectReader connect, Options options) : connect_(std::move(connect)), options_(options) {
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run(); });
}

ReaderPool::~ReaderPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  for (Entry& entry : queue_) entry.done(std::make_exception_ptr(store_unavailable("it is being closed")));
}

void ReaderPool::read(Work work, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() < options_.queue_max) {
      queue_.push_back({std::move(work), std::move(done), Steady::now()});
      wake_.notify_one();
      return;
    }
  }
  done(std::make_exception_ptr(store_busy(std::to_string(options_.queue_max) + " reads are waiting already")));
}

void ReaderPool::run() {
  std::unique_ptr<ReadSession> session;
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const auto failure = serve(session, entry);
    entry.done(failure);
  }
}

// A read changes nothing, so one whose connection broke is run again on a new one.
std::exception_ptr ReaderPool::serve(std::unique_ptr<ReadSession>& session, Entry& entry) {
  for (;;) {
    std::exception_ptr failure;
    try {
      if (!session) session = connect_();
      HeldAnswers held;
      GuardedTransaction transaction(session->begin(), held, nullptr);
      entry.work(transaction);
      failure = transaction.failure();
    } catch (...) {
      failure = std::current_exception();
    }
    if (session) session->end();
    if (session && !session->lost()) return failure;
    session.reset();
    if (!failure || Steady::now() - entry.since >= options_.give_up_after || !pause()) return failure;
  }
}

bool ReaderPool::pause() {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, options_.back_off, [&] { return stopping_; });
}

}  // namespace slipway::store
