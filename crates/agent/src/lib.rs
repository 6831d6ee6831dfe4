//! The guest agent: first process of every sandbox, runs the interpreter, measures, kills and collects.
