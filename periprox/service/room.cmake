# The loop's io_context is handed to the physical room.
target_include_directories(${target} SYSTEM PRIVATE ${PERIPROX_ASIO_INCLUDE})
