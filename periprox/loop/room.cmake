target_link_libraries(${target} ${scope} Threads::Threads)
