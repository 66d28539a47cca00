"""Operations: every long action, with its steps, its progress and a stream that can be resumed."""
