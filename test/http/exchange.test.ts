import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { Connection, Exchange } from '../../gateway/http/exchange.ts';

const newExchange = (writableFinished = false): Exchange =>
  new Exchange({} as IncomingMessage, { writableFinished } as ServerResponse, {
    peer: '127.0.0.1',
    keepAlive: undefined,
  });

describe('a caller that leaves', () => {
  test('is told of once, to the one who listened last', () => {
    const exchange = newExchange();
    const told: string[] = [];
    exchange.whenLeft({ callerLeft: () => told.push('first') });
    exchange.whenLeft({ callerLeft: () => told.push('second') });
    exchange.leave();
    exchange.leave();
    expect(told).toEqual(['second']);
    expect(exchange.hasLeft).toBe(true);
  });

  test('is told of to nobody who has stopped listening', () => {
    const exchange = newExchange();
    exchange.whenLeft({ callerLeft: () => expect.fail('it had stopped') });
    exchange.whenLeft(undefined);
    exchange.leave();
    expect(exchange.hasLeft).toBe(true);
  });
});

describe('what a connection waits for', () => {
  test('is kept in order, whichever is answered first', () => {
    const connection = new Connection('127.0.0.1');
    const [first, second, third] = [newExchange(), newExchange(), newExchange()];
    for (const exchange of [first, second, third]) connection.asked(exchange);
    connection.answered(second);
    expect(connection.unanswered).toEqual([first, third]);
    connection.answered(first);
    connection.answered(third);
    expect(connection.unanswered).toEqual([]);
  });

  test('is its own', () => {
    const [one, other] = [new Connection('127.0.0.1'), new Connection('127.0.0.1')];
    one.asked(newExchange());
    expect(other.unanswered).toEqual([]);
  });

  test('leaves with it, unless it is answered already', () => {
    const connection = new Connection('127.0.0.1');
    const [answered, waiting] = [newExchange(true), newExchange()];
    connection.asked(answered);
    connection.asked(waiting);
    connection.left();
    expect([answered.hasLeft, waiting.hasLeft]).toEqual([false, true]);
  });
});
