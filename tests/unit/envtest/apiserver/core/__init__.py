"""The parts that carry out requests: store, selectors, reader, writer, dispatcher; without sockets."""
