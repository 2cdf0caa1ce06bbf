// A first-in, first-out queue that stops allocating once it has grown to its working size.
#pragma once

#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

namespace periprox {

/// A growing ring of T. T is default-constructible; a popped place holds a moved-from T.
template <typename T>
class RingQueue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T& front() { return places_[head_]; }
  [[nodiscard]] const T& front() const { return places_[head_]; }
  [[nodiscard]] T& back() { return (*this)[size_ - 1]; }
  /// The i-th from the front; i < size().
  [[nodiscard]] T& operator[](std::size_t i) { return places_[(head_ + i) & (capacity_ - 1)]; }

  T& push(T value) {
    T& place = emplace();
    place = std::move(value);
    return place;
  }
  T pop() {
    T value = std::exchange(places_[head_], T{});
    drop_front();
    return value;
  }

  /// A new last one, for the caller to fill in: it holds whatever drop_front() left in its place, a
  /// T{} if all are popped.
  T& emplace() {
    if (size_ == capacity_) grow();
    return places_[(head_ + size_++) & (capacity_ - 1)];
  }
  /// pop() for those who have emptied the front themselves, or do not mind what stays in it.
  void drop_front() {
    head_ = (head_ + 1) & (capacity_ - 1);
    --size_;
  }

 private:
  // Rare, and so out of the way of those who push.
  [[gnu::noinline]] void grow() {
    const std::size_t wanted = capacity_ == 0 ? 8 : capacity_ * 2;
    auto larger = std::make_unique<T[]>(wanted);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    places_ = std::move(larger);
    capacity_ = wanted;
    head_ = 0;
  }

  std::unique_ptr<T[]> places_;
  std::size_t capacity_ = 0;  // A power of two.
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace periprox
